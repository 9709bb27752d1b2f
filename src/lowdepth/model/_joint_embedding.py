"""The model class."""

from __future__ import annotations

import logging
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from fast_array_utils.types import DaskArray
from scipy.sparse import issparse, sparray
from scvi import REGISTRY_KEYS
from scvi.data._constants import _ADATA_MINIFY_TYPE_UNS_KEY
from scvi.dataloaders import DataSplitter

from lowdepth._blocked_counts import CELLS_AT_A_TIME, BlockedCounts
from lowdepth._checks import (
    check_complete,
    check_no_empty_cells,
    counts_in_memory,
    get_counts,
    obs_in_memory,
    some,
    warn,
    whole,
)
from lowdepth._genes import difference_of_genes
from lowdepth._umi_totals import total_umis

from ._accelerator import check_accelerator
from ._average import AveragedTraining
from ._blocked_latent import blocked_latent
from ._divergence import StopOnDivergence
from ._fading import FadingReconstruction
from ._forgetting import ForgettingWeights
from ._gene_frequency import gene_frequency
from ._interrupt import StopOnInterrupt
from ._module import JointEmbeddingModule
from ._nonzero_batches import NonzeroDataSplitter, NonzeroLoader
from ._options import check_options
from ._presets import hidden_units_for, most_epochs_for, resolve_preset
from ._quiet import quiet_lightning
from ._resume import ResumableTraining
from ._schedule import MOST_EPOCHS, TutorialSteps, drops_last, epochs_for
from ._seed import random_state_kept
from ._stand_in import registered_layer
from ._summary import as_html, as_text
from .files import SafelySaved
from .ranks import RanksPlan, RanksRunner
from .stored import StoredCells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anndata import AnnData
    from lightning.pytorch.callbacks import Callback

logger = logging.getLogger("lowdepth")


class JointEmbedding(SafelySaved):
    """Embed cells so that shallow ones lie with deep ones of their kind.

    An scvi-tools model with presets: all that :class:`scvi.external.JointEmbeddingSCVI` and
    :class:`scvi.model.SCVI` can do (normalised expression, differential expression, ELBO,
    query data, saving, Lightning's trainer) is inherited. Most users call
    :func:`lowdepth.tl.joint_embedding` instead, which registers, trains and embeds in one go.

    Parameters
    ----------
    adata
        Data registered with :meth:`setup_anndata`, or :class:`StoredCells`, which stay on the disk.
    registry
        Registry of a data module, to train without an AnnData.
    preset
        ``"scvi"``: plain scVI with the tutorial's settings, the baseline. ``"paper"``: the
        objective of Svensson 2026 (doi:10.64898/2026.02.11.705441), the ELBO plus 100 times the
        cross-correlation of the embeddings of each cell and of its thinned self. ``"denoise"``: the
        full counts are decoded from the thinned cell too, through an encoder that is shown the
        direction of the counts and not their depth, and a decoder that starts at the genes' means.
    **model_kwargs
        Put over the preset's; those of :class:`scvi.external.JointEmbeddingSCVI`, ``precision`` of the
        decoder's matrix products on the CPU: ``"float32"``, ``"bfloat16"`` (factors are rounded, sums
        are not), or by default ``"auto"``, bfloat16 where the CPU multiplies it in hardware, and what
        ``"denoise"`` adds: ``encoder_input`` (``"direction"`` or ``"log1p"``), ``denoising_weight`` of the
        full counts decoded from the thinned cell, ``reconstruction_epochs`` over which those decoded from the
        cell itself fade out (unless ``reconstruction_weight`` is given), ``correlate_within_batches`` (the embeddings
        of a cell and of its thinned self are compared around the means of their batches, and of the categories of
        ``categorical_covariate_keys``), ``n_decoder_layers``, ``start_at_data``, ``average_weights``,
        ``forgetting_epochs`` over which AdamW shrinks weights to 1 / e that nothing renews (unless ``plan_kwargs`` of
        :meth:`train` name an ``optimizer`` or a ``weight_decay``), and ``most_epochs``, a bound where :meth:`train` is
        not told how many.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    >>> model = ld.model.JointEmbedding(adata, preset="paper", n_latent=8)
    >>> model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    >>> model.get_latent_representation().shape
    (200, 8)
    """

    _module_cls = JointEmbeddingModule
    _training_plan_cls = RanksPlan
    _train_runner_cls = RanksRunner
    __repr__ = as_text
    _repr_html_ = as_html

    interrupted = False
    """Whether the last training was stopped by its user."""

    def __init__(
        self,
        adata: AnnData | StoredCells | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: str = "denoise",
        **model_kwargs: Any,
    ) -> None:
        if preset == "denoise" and adata is not None:
            # into the arguments that are saved: the model is to be loaded with other cells too
            model_kwargs.setdefault("n_hidden", hidden_units_for(adata.n_obs))
            model_kwargs.setdefault("most_epochs", most_epochs_for(adata.n_obs))
        settings = resolve_preset(preset, model_kwargs)
        model_kwargs = dict(settings)  # scvi-tools keeps them: presets may change, a saved model may not
        start_at_data = settings.pop("start_at_data", False)
        self.most_epochs = settings.pop("most_epochs", MOST_EPOCHS)
        whole("most_epochs", self.most_epochs, 1)
        self.average_weights = settings.pop("average_weights", False)
        self.forgetting_epochs = settings.pop("forgetting_epochs", None)
        if self.forgetting_epochs is not None:
            whole("forgetting_epochs", self.forgetting_epochs, 1)
        reconstruction_epochs = settings.pop("reconstruction_epochs", None)
        fades = settings.get("denoising_weight", 0) > 0 and "reconstruction_weight" not in settings
        self.reconstruction_epochs = reconstruction_epochs if fades else None
        check_options(settings)
        self.cells = adata if isinstance(adata, StoredCells) else None
        if self.cells is None:
            super().__init__(adata, registry, **settings)
        else:
            super().__init__(None, registry or self.cells.registry, **settings)
            self._adata_manager = self.cells.manager(self.registry_)  # so that other cells can be registered
            if reason := self.module.dense_only:
                msg = f"cells on the disk are trained on their non-zeros, which cannot take {reason}; leave that out"
                raise ValueError(msg)
        if start_at_data and adata is not None:
            self.module.start_decoder(gene_frequency(self))
        self._model_summary_string = f"JointEmbedding model, preset {preset!r}, with " + ", ".join(
            f"{name}: {value}" for name, value in settings.items()
        )
        self.init_params_ = self._get_init_params(locals())

    @classmethod
    def setup_anndata(
        cls, adata: AnnData, layer: str | None = None, batch_key: str | None = None, **setup_kwargs: Any
    ) -> None:
        """Register the data that a model is to use.

        Parameters
        ----------
        adata
            Annotated data matrix of raw UMI counts.
        layer
            Layer that holds the raw counts; ``None`` reads ``X``.
        batch_key
            Column of ``obs`` whose effect the embedding should not show.
        **setup_kwargs
            Further ones of :meth:`scvi.model.SCVI.setup_anndata`.

        Raises
        ------
        NotImplementedError
            The counts are a dask array or backed by a file.
        TypeError
            The counts are a scipy sparse array; scvi-tools takes sparse matrices.
        KeyError
            There is no such layer or column.
        ValueError
            The matrix does not hold raw counts, a cell has none (its library size has no logarithm) or no batch.
        """
        check_complete(adata, batch_key)
        counts = counts_in_memory(adata, layer, "JointEmbedding.setup_anndata")
        if _ADATA_MINIFY_TYPE_UNS_KEY not in adata.uns:  # minified cells have lost their counts
            check_no_empty_cells(total_umis(counts))
        if isinstance(counts, sparray):
            container = type(counts).__name__
            msg = f"scvi-tools does not take a {container}; convert the counts with `scipy.sparse.csr_matrix(counts)`"
            raise TypeError(msg)
        with random_state_kept():  # scvi-tools looks at a few counts, which numpy's global generator draws
            super().setup_anndata(adata, layer=layer, batch_key=batch_key, **setup_kwargs)

    def train(
        self,
        max_epochs: int | None = None,
        *,
        batch_size: int = 512,
        lr: float = 0.004,
        train_size: float = 1.0,
        plan_kwargs: Mapping[str, Any] | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        checkpoint: Path | str | None = None,
        **train_kwargs: Any,
    ) -> None:
        """Train with the settings of the method's tutorial.

        In a notebook, an interrupt (the stop button, Ctrl-C) ends the training after its present step and keeps what
        was learnt, with ``model.interrupted`` set; a second one gives the training up. A script is ended at once.

        Parameters
        ----------
        max_epochs
            Passes over the data; ``None`` takes as many as make the tutorial's 2,300
            optimiser steps, at least 25 and at most the model's ``most_epochs``: with the preset
            ``"denoise"`` one for every 20 cells, but 100 at least; 400 for many cells, and with the others.
        batch_size
            Cells per optimiser step, on each device.
        lr
            Learning rate of Adam.
        train_size
            Share of the cells to train on. The cells to embed are at hand, so holding some out only serves a
            validation curve, early stopping, or confidences that are learnt on cells new to the model, see
            :func:`lowdepth.tl.label_transfer`.
        plan_kwargs
            Arguments of :class:`scvi.train.TrainingPlan`.
        datasplitter_kwargs
            Arguments of :class:`scvi.dataloaders.DataSplitter`.
        checkpoint
            File that the state of the training is written to as each epoch ends. If it is there already, a training
            of the same model, with the same arguments, goes on from there: with the numbers that it would have had
            without the interruption if the cells are on the disk, with minibatches in another order if they are in
            memory. It is yours to delete.
        **train_kwargs
            Further ones of :meth:`scvi.model.SCVI.train` and Lightning's trainer, ``devices``, ``strategy`` and
            ``num_nodes`` among them: W devices with ``batch_size`` B compute what one does with W times B.
            Each has other cells, and batch norm and the views' correlation are over the cells of all.

        Raises
        ------
        NotImplementedError
            Several devices are to train on dense counts, in a notebook's processes, or with another strategy than DDP.
        ValueError
            A number is out of range, or there is no such GPU. Early stopping watches cells that are held out, and none
            are; there are fewer cells than devices; or the training diverged.
        """
        if max_epochs is not None:
            whole("max_epochs", max_epochs, 1)
        whole("batch_size", batch_size, 1)
        if not 0 < train_size <= 1:
            msg = f"`train_size={train_size}`: it has to lie above 0 and not above 1; 0.9 holds out a tenth"
            raise ValueError(msg)
        if not 0 < lr < np.inf:
            msg = f"`lr={lr}`: it has to be a finite number above 0; the tutorial's is 0.004"
            raise ValueError(msg)
        check_accelerator(train_kwargs.get("accelerator"))
        callbacks = [*(train_kwargs.pop("callbacks", None) or []), StopOnDivergence(lr), *self._callbacks()]
        plan_kwargs = dict(plan_kwargs or {})
        if self.forgetting_epochs is not None and not plan_kwargs.keys() & {"optimizer", "weight_decay"}:
            plan_kwargs["optimizer"] = "AdamW"
            callbacks.append(ForgettingWeights(self.forgetting_epochs))
        if self.cells is not None:
            stream = self.cells.stream(self.registry, batch_size=batch_size, train_size=train_size)
            max_epochs = max_epochs or epochs_for(stream.n_train, batch_size, self.most_epochs)
            train_kwargs = {"devices": 1, **train_kwargs, "datamodule": stream}
        elif self.adata is not None:
            n_train = ceil(self.adata.n_obs * train_size)
            if max_epochs is None:
                max_epochs = epochs_for(n_train, batch_size, self.most_epochs)
                callbacks.append(TutorialSteps(n_train, batch_size, self.most_epochs))
            # cells that are left out are others in each epoch
            datasplitter_kwargs = {"drop_last": drops_last(n_train, batch_size), **(datasplitter_kwargs or {})}
        holds_out = (
            train_size < 1
            or "external_indexing" in (datasplitter_kwargs or {})
            or ("datamodule" in train_kwargs and self.cells is None)
        )
        watched = train_kwargs.get("early_stopping_monitor", "elbo_validation")
        if train_kwargs.get("early_stopping") and "validation" in watched and not holds_out:
            msg = f"early stopping watches {watched!r} of cells that are held out, and none are: pass train_size=0.9"
            raise ValueError(msg)
        validation = {"check_val_every_n_epoch": 1} if holds_out else {}
        if checkpoint is not None:
            callbacks.append(ResumableTraining(Path(checkpoint)))
            train_kwargs["ckpt_path"] = str(checkpoint) if Path(checkpoint).exists() else None
        stop = StopOnInterrupt()
        if self.module is not None:
            # a model that was trained or loaded is in evaluation mode, where scvi-tools skips the joint embedding
            self.module.train()
        with quiet_lightning(), stop.listening():
            super().train(
                max_epochs=max_epochs,
                batch_size=batch_size,
                train_size=train_size,
                plan_kwargs={"lr": lr, "with_thinned": True, **plan_kwargs},
                datasplitter_kwargs=datasplitter_kwargs,
                # Lightning warns when an epoch has fewer steps than it waits between two entries in the log
                **{"log_every_n_steps": 1, "callbacks": [*callbacks, stop], **validation, **train_kwargs},
            )
        self.interrupted = stop.interrupted
        if stop.interrupted:
            step = f"step {self.trainer.global_step} (epoch {self.trainer.current_epoch} of {max_epochs})"
            logger.warning("training was interrupted after %s: the model is what it had learnt by then", step)

    def _callbacks(self) -> Iterator[Callback]:
        if self.average_weights:
            yield AveragedTraining()
        if self.reconstruction_epochs is not None:
            n_seen = len(self.history["train_loss"]) if self.history else 0
            yield FadingReconstruction(self.reconstruction_epochs, n_seen)

    @property
    def _data_splitter_cls(self) -> type[DataSplitter]:
        if not self._is_sparse(self.adata):
            return DataSplitter
        if reason := self.module.dense_only:
            logger.info("training on dense minibatches, as scvi-tools does: the quick way cannot take %s", reason)
            return DataSplitter
        return NonzeroDataSplitter

    def get_latent_representation(
        self,
        adata: AnnData | StoredCells | None = None,
        indices: Sequence[int] | None = None,
        *,
        batch_size: int | None = None,
        dataloader: Iterator[dict[str, Any]] | None = None,
        **latent_kwargs: Any,
    ) -> Any:
        """Embed cells, sparse ones from their non-zeros.

        Parameters
        ----------
        adata
            Data registered like the training data, or cells on the disk with its genes and columns; by default the
            training data. Counts in a dask array are computed block by block and embedded in portions, and nothing
            is registered.
        indices
            Cells to embed; by default all.
        batch_size
            Cells at a time.
        dataloader
            Minibatches to embed instead.
        **latent_kwargs
            Further ones of :meth:`scvi.model.SCVI.get_latent_representation`.

        Returns
        -------
        Posterior means, cells by ``n_latent``; with ``return_dist=True`` means and variances.
        """
        stored = self.cells if adata is None else adata
        if dataloader is None and isinstance(stored, StoredCells):
            if indices is not None:
                msg = "cells on the disk are embedded from the first to the last; take `indices` of what is returned"
                raise NotImplementedError(msg)
            blocks = stored.blocks(stored.encoded(self.registry))
            return self.get_latent_representation(dataloader=blocks, **latent_kwargs)
        self._check_if_trained(warn=False)
        if dataloader is None and not (adata is None or isinstance(adata, StoredCells)):
            layer = registered_layer(self)
            if isinstance(adata.layers.get(layer), DaskArray):
                cells = np.arange(adata.n_obs)[slice(None) if indices is None else np.asarray(indices)]
                counts = BlockedCounts.of(get_counts(adata, layer))[cells]
                obs, var = obs_in_memory(adata).iloc[cells], pd.DataFrame(index=adata.var_names)
                return blocked_latent(self, counts, obs, var, batch_size=batch_size, **latent_kwargs)
        data = self._validate_anndata(adata) if dataloader is None else None
        if data is not None and not self.module.dense_only and self._is_sparse(data) and not self.minified_data_type:
            manager = self.get_anndata_manager(data, required=True)
            loader = NonzeroLoader(manager, indices, batch_size=batch_size or CELLS_AT_A_TIME)
            latent = super().get_latent_representation(dataloader=loader, **latent_kwargs)
        else:
            latent = super().get_latent_representation(
                adata, indices, batch_size=batch_size, dataloader=dataloader, **latent_kwargs
            )
        bad = ~np.isfinite(latent[0] if isinstance(latent, tuple) else latent).all(axis=-1)
        if bad.any():
            names = np.arange(len(bad)) if data is None else data.obs_names[slice(None) if indices is None else indices]
            warn(f"{bad.sum()} cells are embedded at values that are not finite ({some(names[bad])}).")
        return latent

    def _validate_anndata(self, adata: AnnData | None = None, *args: Any, **kwargs: Any) -> AnnData:
        """Refuse other genes: scvi-tools looks at their number."""
        if adata is not None and adata is not self.adata:
            names = pd.Index(self.get_var_names())
            difference = "" if adata.var_names.equals(names) else difference_of_genes(adata.var_names, names)
            if difference:
                msg = f"`adata` has not the genes of the model: {difference}; take `adata[:, model.get_var_names()]`"
                raise ValueError(msg)
        return super()._validate_anndata(adata, *args, **kwargs)

    def _is_sparse(self, adata: AnnData | None) -> bool:
        if adata is None:
            return False
        return issparse(self.get_anndata_manager(adata, required=True).get_from_registry(REGISTRY_KEYS.X_KEY))
