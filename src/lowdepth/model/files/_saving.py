"""Saving and loading, in files that run no code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from scvi.data import AnnDataManager
from scvi.external import JointEmbeddingSCVI
from scvi.model._utils import parse_device_args

from lowdepth._checks import warn
from lowdepth.model._accelerator import check_accelerator

from ._checkpoints import our_checkpoints
from ._folder import read_folder
from ._model_files import document_path, write
from ._restore import forget_training_cells, restore
from ._saved_model import SavedModel
from ._scvi_files import pickle_path

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from lowdepth.model.stored import StoredCells


class SafelySaved(JointEmbeddingSCVI):
    """What scvi-tools does with pickles, done with the files of :mod:`lowdepth.model.files._model_files`."""

    def save(
        self,
        dir_path: str | os.PathLike[str],
        prefix: str | None = None,
        *,
        overwrite: bool = False,
        save_anndata: bool = False,
        **dataset_kwargs: Any,
    ) -> None:
        """Save the model: ``model.json``, its weights, and its cells if asked for.

        The files hold no code, know their checksums, and are there whole or not at all: an error, a full
        disk or a kill leaves what was saved before. What is promised and what is refused stands in the
        documentation under "Model files". Of several processes that trained the model together, the first
        one saves it.

        Parameters
        ----------
        dir_path
            Folder to save in; it is made if it is not there.
        prefix
            Put before the files' names: a folder can hold several models.
        overwrite
            Replace the model that is there.
        save_anndata
            Save the cells too.
        **dataset_kwargs
            How the cells are written: ``compression`` and ``compression_opts``, as h5py has them.

        Raises
        ------
        OSError
            There is no room, or no right to write.
        TypeError
            A setting or a category is of a type that the format cannot keep, or arguments for the cells
            come without ``save_anndata``.
        ValueError
            There is a model already, and ``overwrite`` is not set.

        Examples
        --------
        >>> import tempfile
        >>> import lowdepth as ld
        >>> adata = ld.datasets.simulate(200, 300, rng=0)
        >>> ld.model.JointEmbedding.setup_anndata(adata)
        >>> model = ld.model.JointEmbedding(adata, n_latent=8)
        >>> model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(folder)
        ...     loaded = ld.model.JointEmbedding.load(folder, adata)
        >>> bool((loaded.get_latent_representation() == model.get_latent_representation()).all())
        True
        """
        folder, start = Path(dir_path), prefix or ""
        if dataset_kwargs and not save_anndata:
            msg = f"{sorted(dataset_kwargs)} are for writing the cells; leave them out, or pass save_anndata=True"
            raise TypeError(msg)
        if not getattr(getattr(self, "trainer", None), "is_global_zero", True):
            return
        for path in (document_path(folder, start), pickle_path(folder, start)):
            if path.exists() and not overwrite:
                msg = f"{str(path)!r} already exists; name another folder or prefix, or pass overwrite=True"
                raise ValueError(msg)
        if save_anndata and self.adata is None:
            warn("the model has no cells to save; save_anndata=True has no effect")
        write(folder, start, SavedModel.of(self, with_adata=save_anndata), **dataset_kwargs)

    @classmethod
    def load(
        cls,
        dir_path: str | os.PathLike[str],
        adata: AnnData | StoredCells | Literal[False] | None = None,
        *,
        accelerator: str = "auto",
        device: int | str = "auto",
        prefix: str | None = None,
        trusted: bool = False,
    ) -> Self:
        """Load a model; its files are checked, and no code in them is run.

        Parameters
        ----------
        dir_path
            Folder that the model was saved in.
        adata
            Cells with the model's genes, in its order, in memory or on the disk; they are registered as the training
            data were. ``None`` takes those that were saved with the model, ``False`` none. Which cells
            the model was trained on is known by their positions: it is forgotten where ``adata`` is on the disk, or has
            other cells than the model was saved with, or the same ones in another order.
        accelerator, device
            Where the model shall be, as Lightning's trainer names it.
        prefix
            What the files' names begin with.
        trusted
            Load a ``model.pt`` that scvi-tools saved, from :class:`scvi.model.SCVI`,
            :class:`scvi.external.JointEmbeddingSCVI` or this class. It is a pickle: loading it **runs any code
            that is in it**.

        Returns
        -------
        The model.

        Raises
        ------
        FileNotFoundError
            There is no model, or a part of it is missing.
        ValueError
            A file is damaged, of a later format, of another class or a pickle, ``adata`` has other genes, or there is
            no such GPU.
            ``adata`` is as it was then.

        Examples
        --------
        See :meth:`save`.
        """
        check_accelerator(accelerator)
        *_, target = parse_device_args(accelerator, device, return_device="torch", validate_single_device=True)
        saved = read_folder(cls, dir_path, prefix, with_adata=adata is None, trusted=trusted)
        if adata is None and saved.adata is None:
            warn(f"no cells were saved in {str(dir_path)!r} and none were passed: the model is loaded without")
        model = restore(cls, saved, saved.adata if adata is None else adata or None, str(dir_path))
        model.to_device(target)
        return model

    @classmethod
    def load_registry(
        cls, dir_path: str | os.PathLike[str], prefix: str | None = None, *, trusted: bool = False
    ) -> dict[str, Any]:
        """Give the registry of a saved model; the parameters are those of :meth:`load`."""
        return read_folder(cls, dir_path, prefix, with_adata=False, trusted=trusted).registry

    @classmethod
    def view_setup_args(
        cls, dir_path: str | os.PathLike[str], prefix: str | None = None, *, trusted: bool = False
    ) -> None:
        """Show how the cells of a saved model were registered; the parameters are those of :meth:`load`."""
        AnnDataManager.view_setup_method_args(cls.load_registry(dir_path, prefix, trusted=trusted))

    @classmethod
    def load_query_data(
        cls,
        adata: AnnData | None = None,
        reference_model: Self | str | os.PathLike[str] | None = None,
        registry: dict[str, Any] | None = None,
        **surgery_kwargs: Any,
    ) -> Self:
        """Prepare a model for new cells, by architecture surgery.

        Parameters
        ----------
        adata
            New cells with the model's genes, in its order.
        reference_model
            A model, or the folder that one was saved in.
        registry
            Registry of a data module, instead of cells.
        **surgery_kwargs
            Further ones of scvi-tools' :meth:`scvi.model.SCVI.load_query_data`.

        Returns
        -------
        A model of the new cells, to be trained.

        Raises
        ------
        ValueError
            There is no such GPU.
        """
        check_accelerator(surgery_kwargs.get("accelerator"))
        model = super().load_query_data(adata, cls._loaded(reference_model), registry, **surgery_kwargs)
        forget_training_cells(model)
        # what is frozen gets no gradient, and would be forgotten
        model.forgetting_epochs = model.init_params_["kwargs"]["model_kwargs"]["forgetting_epochs"] = None
        return model

    @classmethod
    def prepare_query_anndata(
        cls, adata: AnnData, reference_model: Self | str | os.PathLike[str], **query_kwargs: Any
    ) -> AnnData | pd.Index | None:
        """Put the genes of new cells in a model's order, with zeros for those that are missing.

        Parameters
        ----------
        adata
            New cells.
        reference_model
            A model, or the folder that one was saved in.
        **query_kwargs
            Further ones of scvi-tools' :meth:`scvi.model.SCVI.prepare_query_anndata`.
        """
        return super().prepare_query_anndata(adata, cls._loaded(reference_model), **query_kwargs)

    def train(self, *arguments: Any, **options: Any) -> None:
        """Train; checkpoints of :class:`scvi.train.SaveCheckpoint` are read in our format."""
        with our_checkpoints():
            super().train(*arguments, **options)

    @classmethod
    def _loaded(cls, model: Self | str | os.PathLike[str] | None) -> Any:
        return cls.load(model, adata=False, accelerator="cpu") if isinstance(model, str | os.PathLike) else model
