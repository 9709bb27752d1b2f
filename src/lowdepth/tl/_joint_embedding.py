"""Register, train and embed in one call."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anndata import AnnData

from lowdepth._checks import at_least, counts_in_memory, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import EmbeddingKeys
from lowdepth._random import seed_record
from lowdepth._umi_totals import total_umis
from lowdepth.model import JointEmbedding, StoredCells
from lowdepth.model._accelerator import check_accelerator
from lowdepth.model._divergence import check_converged
from lowdepth.model._seed import as_seed, seeded

from ._cells._deep_cells import deep_and_shallow, warn_without_deep_cells
from ._embed_stored import embed_stored, has_lazy_counts
from ._refinement._refine_low_umi import refine_low_umi
from ._training_record import training_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lowdepth._random import Rng
    from lowdepth.model.stored._sources import Stored

logger = logging.getLogger("lowdepth")


@shared_docs
def joint_embedding(
    adata: AnnData | Stored,
    *,
    layer: str | None = None,
    batch_key: str | None = None,
    preset: str = "denoise",
    n_latent: int = 32,
    max_epochs: int | None = None,
    batch_size: int = 512,
    lr: float = 0.004,
    train_size: float = 1.0,
    accelerator: str = "auto",
    devices: int | list[int] | str = "auto",
    num_nodes: int = 1,
    strategy: str = "auto",
    low_umi: float = 1000,
    refine: bool = False,
    folder: Path | str | None = None,
    key_added: str = "X_joint_embedding",
    progress_bar: bool = True,
    rng: Rng = 0,
    copy: bool = False,
    **model_kwargs: Any,
) -> JointEmbedding:
    """Embed the cells so that shallow ones lie with deep ones of their kind.

    Trains :class:`lowdepth.model.JointEmbedding` on all cells and all genes, deep and shallow
    together: the deep ones, thinned at random in every step, teach it what depth does. Use
    that class instead for Lightning's further options (callbacks, loggers).

    In a notebook, an interrupt ends the training and embeds the cells with what was learnt by then; the record
    says ``interrupted``. A second interrupt, or one at any other time, leaves ``adata`` as it was.

    Cells that do not fit in memory are passed as a path: they are shuffled once on the disk, trained on from there,
    and the embedding is written into their file, whole or not at all. A training that was killed goes on from its
    last epoch when it is started again with the same arguments.

    Parameters
    ----------
    adata
        Annotated data matrix of raw UMI counts, ``n_obs`` cells by ``n_vars`` genes, or what stands for cells that are
        not in memory: the path of an h5ad file or a zarr store, several, an AnnData from
        :func:`anndata.experimental.read_lazy`, or an annbatch ``DatasetCollection``.
    {layer}
    batch_key
        Column of ``obs`` whose effect the embedding should not show.
    preset
        ``"denoise"``: the thinned cell has to say what the full one says, through an encoder that does
        not see depth. ``"paper"``: the published joint embedding (Svensson 2026,
        doi:10.64898/2026.02.11.705441). ``"scvi"``: plain scVI, the baseline.
    n_latent
        Dimensions of the embedding; 32 is the tutorial's.
    max_epochs
        Passes over the data; ``None`` takes as many as make the tutorial's 2,300 optimiser
        steps, at least 25 and at most 400. The preset ``"denoise"`` shows few cells less often: 100 times up to
        2,000 cells, a twentieth of their number up to 8,000.
    batch_size
        Cells per optimiser step, on each device.
    lr
        Learning rate of Adam.
    train_size
        Share of the cells to train on. All cells are embedded; with 0.9 the losses of the others are in the history,
        and :func:`lowdepth.tl.label_transfer` calibrates on those among them that are deep.
    accelerator
        ``"cpu"``, ``"gpu"``, ``"mps"`` or ``"auto"``, as Lightning has it.
    devices, num_nodes, strategy
        Several devices, as Lightning has them, each in a process of its own that runs the whole script. W of
        them with ``batch_size`` B compute what one does with W times B; ``"auto"`` is one device.
    {low_umi}
        Used to warn when no cell is deep, and by ``refine``.
    refine
        Run :func:`lowdepth.tl.refine_low_umi` too, into ``key_added`` with ``"_refined"``.
    folder
        Where the shuffled counts of cells that are not in memory go, and the state of their training; by default
        beside the first file, under its name with ``.lowdepth`` added. Delete it when you need it no more.
    key_added
        Key in ``obsm``; the record in ``uns`` has the same name without ``"X_"``.
    progress_bar
        Show the progress of the training, and of the refinement.
    rng
        Seed or generator. An integer gives the same result again with the same number of threads,
        whose sums round differently; the global random state is left as it was.
    copy
        Leave ``adata`` as it is and write into a copy, which is ``model.adata``. Files are not copied: where
        cells are passed as paths, they get the embedding; pass the path of a copy to keep them as they are.
    **model_kwargs
        Put over the preset's settings, see :class:`lowdepth.model.JointEmbedding`.

    Returns
    -------
    The trained model. Writes

    ``adata.obsm["X_joint_embedding"]`` : the embedding, ``n_obs`` by ``n_latent``, float32
    ``adata.uns["joint_embedding"]`` : ``params``, ``versions``, ``interrupted``, and ``history``, a data frame of
        losses by epoch

    with ``refine=True`` what :func:`lowdepth.tl.refine_low_umi` writes under ``"X_joint_embedding_refined"``,
    and what scvi-tools registers data with, ``obs["_scvi_batch"]``, ``obs["_scvi_labels"]``
    and two identifiers in ``uns``.

    Raises
    ------
    {counts_errors}
        Or there is one cell only, or one without any UMI; with ``refine=True``, no deep or no shallow cell. Or
        there is no such GPU, the training diverged, or a file has an embedding of that name which this function did
        not write, or ``key_added`` holds a ``/``.
    ImportError
        Cells that are not in memory need packages: ``pip install "lowdepth[scale]"``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(
    ...     adata, batch_key="batch", n_latent=8, max_epochs=1, low_umi=100, progress_bar=False
    ... )
    >>> adata.obsm["X_joint_embedding"].shape
    (200, 8)
    """
    whole("n_latent", n_latent, 1)
    whole("batch_size", batch_size, 2)
    at_least("low_umi", low_umi, 0)
    check_accelerator(accelerator)
    keys = EmbeddingKeys(key_added)
    params = {
        "preset": preset,
        "layer": layer,
        "batch_key": batch_key,
        "n_latent": n_latent,
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "lr": lr,
        "train_size": train_size,
        **seed_record(rng),
        **model_kwargs,
    }
    if not isinstance(adata, AnnData) or has_lazy_counts(adata, layer):
        if devices not in ("auto", "1", 1) or num_nodes != 1:
            msg = f"`devices={devices}`, `num_nodes={num_nodes}`: cells on the disk are trained on by one device"
            raise NotImplementedError(msg)
        if copy:
            msg = "`copy=True`: files are not copied, and get the embedding; to keep yours, pass the path of a copy"
            raise NotImplementedError(msg)
        cells = StoredCells(adata, layer=layer, batch_key=batch_key, folder=folder, progress_bar=progress_bar)
        return embed_stored(
            cells,
            keys,
            params,
            model_kwargs,
            seed=as_seed(rng),
            accelerator=accelerator,
            low_umi=low_umi,
            refine=refine,
        )
    counts = counts_in_memory(adata, layer, "ld.tl.joint_embedding")
    if adata.n_obs < 2:
        msg = f"there is {adata.n_obs} cell: an embedding is learnt from many"
        raise ValueError(msg)
    depths = total_umis(counts)
    if refine:
        deep_and_shallow(depths, low_umi)  # raises before the training rather than after it
    warn_without_deep_cells(depths, low_umi)

    with _unchanged_on_error(adata), seeded(as_seed(rng)):
        adata = writable(adata, copy=copy)
        JointEmbedding.setup_anndata(adata, layer=layer, batch_key=batch_key)
        model = JointEmbedding(adata, preset=preset, n_latent=n_latent, **model_kwargs)
        model.train(
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            train_size=train_size,
            accelerator=accelerator,
            devices=devices,
            num_nodes=num_nodes,
            strategy=strategy,
            enable_progress_bar=progress_bar,
        )
        latent = model.get_latent_representation()
        check_converged(latent, lr)
        adata.obsm[keys.obsm] = latent
        if refine:
            refined = f"{key_added}_refined"
            refine_low_umi(adata, model, low_umi=low_umi, key_added=refined, rng=rng, progress_bar=progress_bar)
    adata.uns[keys.uns] = training_record(params, model)
    logger.info("added\n    .obsm[%r]\n    .uns[%r]", keys.obsm, keys.uns)
    return model


@contextmanager
def _unchanged_on_error(adata: AnnData) -> Iterator[None]:
    """Take back what was written when the training or what follows it fails."""
    view_of = (adata._adata_ref, adata._oidx, adata._vidx) if adata.is_view else None
    obs, obsm, uns = adata.obs.copy(), dict(adata.obsm), dict(adata.uns)
    try:
        yield
    except BaseException:
        if view_of:
            adata._init_as_view(*view_of)
        else:
            adata.obs, adata.obsm, adata.uns = obs, obsm, uns
        raise
