"""New cells in the embedding of a trained model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lowdepth._checks import counts_in_memory, labels, warn, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import EmbeddingKeys, TransferKeys, colors_key
from lowdepth._random import seed_record
from lowdepth.model._accelerator import check_accelerator
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model._seed import as_seed, seeded
from lowdepth.model._stand_in import registered_layer
from lowdepth.tl._cells._registered import check_model

from ._label_transfer import check_own_labels, columns_of, label_transfer
from ._query_cells import aligned, as_anndata, in_known_batches, with_the_same_genes

if TYPE_CHECKING:
    from anndata import AnnData
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng

logger = logging.getLogger("lowdepth")


@shared_docs
def map_query(
    adata: AnnData,
    model: BaseModelClass,
    *,
    reference: AnnData | None = None,
    label_key: str | None = None,
    layer: str | None = None,
    surgery: bool = False,
    max_epochs: int | None = None,
    accelerator: str = "auto",
    min_shared: float = 0.5,
    key_added: str = "X_joint_embedding",
    transfer: str = "label_transfer",
    progress_bar: bool = True,
    rng: Rng = 0,
    **transfer_kwargs: Any,
) -> BaseModelClass:
    """Embed new cells with a trained model, and label them by its reference.

    The cells may be shallow or deep, of new samples and new batches, with their genes in another
    order. Genes that the model does not know are left out; genes that the cells lack count as not
    expressed, in the reference of the labels as well, which costs accuracy the more of them there are.

    The model is not trained again. Its encoder sees no batch (unless it was made with
    ``encode_covariates=True``), so that cells of a new batch are embedded like all others. Its decoder
    has to be told a batch, for labels by ``method="posterior"``: cells of a new batch are taken for cells of
    the known one under which they are likeliest, encoded and decoded, which is warned about.

    ``surgery=True`` teaches the model the new batches instead, as scArches does (Lotfollahi et al. 2022,
    doi:10.1038/s41587-021-01001-7): the weights of the new batches alone are trained, on the query. That
    changes what is decoded for them; the embedding itself changes only if the encoder sees batches.

    Parameters
    ----------
    adata
        New cells with raw UMI counts, and with the columns of ``obs`` that the model was set up with.
    model
        Trained model with scVI's decoder, e.g. what :func:`lowdepth.tl.joint_embedding` returns.
    reference
        Labelled cells with the genes and batches of the model; ``None`` takes those that it was trained on.
    label_key
        Column of ``reference.obs`` that holds the labels; ``None`` embeds the cells and labels none.
    layer
        Layer of ``adata`` that holds the raw counts; ``None`` takes the one that the model was trained on.
    surgery
        Train weights for new batches.
    max_epochs
        Of the surgery; ``None`` takes as many as the model's own training would on the query.
    accelerator
        Of the surgery: ``"cpu"``, ``"gpu"``, ``"mps"`` or ``"auto"``, as Lightning has it.
    min_shared
        Share of the model's genes that ``adata`` has to have.
    key_added
        Key in ``obsm``; the record in ``uns`` has the same name without ``"X_"``.
    transfer
        Name of the label slots, the ``key_added`` of :func:`lowdepth.tl.label_transfer`.
    progress_bar
        Show the progress of the surgery and of the labelling.
    {rng_of_thread_count}
    **transfer_kwargs
        Further ones of :func:`lowdepth.tl.label_transfer`, e.g. ``method``.

    Returns
    -------
    The model that embedded the cells: ``model``, which is as it was, or with ``surgery=True`` a new one whose
    ``adata`` are the cells in the model's genes. Writes

    ``adata.obsm["X_joint_embedding"]`` : the embedding, ``n_obs`` by ``n_latent``, float32
    ``adata.uns["joint_embedding"]`` : ``params``; ``n_shared_genes`` and ``n_missing_genes``; ``batches``, a data
    frame of new batches (``batch``) and the known ones that they were ``taken_for``, if there are some

    and with ``label_key`` all slots of :func:`lowdepth.tl.label_transfer`.

    Raises
    ------
    TypeError
        The model has no decoder like scVI's.
    NotImplementedError
        The model holds minified data, the counts are backed by a file, or they are a dask array and ``surgery=True``.
    KeyError
        There is no such layer or label column, or a column of ``obs`` that the model needs is missing.
    ValueError
        Too few of the model's genes are there, or one of them twice; the counts are not raw, or a
        cell has none in these genes; a cell has no batch; there is a reference but no
        ``label_key``, or neither a reference nor cells in the model; there is no such GPU; both
        records would have one name; ``transfer`` names a column of ``obs`` that no label transfer
        wrote; ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> cells = ld.datasets.simulate(300, 300, rng=0)
    >>> adata, query = cells[:200].copy(), cells[200:, ::-1].copy()
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> mapped_by = ld.tl.map_query(query, model, label_key="cell_type")
    >>> query.obsm["X_joint_embedding"].shape, query.obsm["label_transfer_probability"].shape
    ((100, 8), (100, 8))
    """
    check_model(model)
    if label_key is None and (reference is not None or transfer_kwargs):
        msg = "labels need `label_key=`, the column of the reference that holds them"
        raise ValueError(msg)
    keys = EmbeddingKeys(key_added)
    if label_key is not None:
        if keys.uns == transfer:
            msg = f"`key_added={key_added!r}` and `transfer={transfer!r}` would share uns[{transfer!r}]; rename one"
            raise ValueError(msg)
        check_own_labels(adata, TransferKeys(transfer), "transfer")
        reference = model.adata if reference is None else reference
        if reference is None:
            msg = "`model` holds no cells in memory whose labels could be taken; pass labelled ones as `reference=`"
            raise ValueError(msg)
        labels(reference, label_key)
    if surgery:
        check_accelerator(accelerator)
        counts_in_memory(adata, layer or registered_layer(model), "ld.tl.map_query(surgery=True)")
    query = aligned(adata, model, layer, min_shared=min_shared)
    n_shared = int(query.is_shared.sum())
    record: dict[str, Any] = {
        "params": {"surgery": surgery, "min_shared": min_shared, **seed_record(rng)},
        "n_shared_genes": n_shared,
        "n_missing_genes": len(query.is_shared) - n_shared,
    }
    with quiet_lightning(), seeded(as_seed(rng)):
        if surgery:
            cells = query.cells
            model = type(model).load_query_data(as_anndata(cells, model), model, accelerator=accelerator)
            model.train(
                max_epochs=max_epochs,
                accelerator=accelerator,
                enable_progress_bar=progress_bar,
                plan_kwargs={"weight_decay": 0.0},  # it would shrink the weights that are to stay as they are
            )
        else:
            cells, taken_for = in_known_batches(query, model)
            if len(taken_for):
                record["batches"] = taken_for
                pairs = ", ".join(f"{new!r} for {old!r}" for new, old in taken_for.to_numpy())
                warn(f"`model` lacks batches: it takes {pairs} where it decodes; teach it these with `surgery=True`")
        latent = cells.embedded(model)
    mapped = as_anndata(cells, model)
    if reference is not None:
        # of an earlier run, whose record stays behind
        mapped.obs = mapped.obs.drop(columns=columns_of(TransferKeys(transfer)), errors="ignore")
        label_transfer(
            mapped,
            str(label_key),
            model=model,
            reference=with_the_same_genes(reference, model, query),
            key_added=transfer,
            progress_bar=progress_bar,
            rng=rng,
            **transfer_kwargs,
        )

    adata = writable(adata, copy=False)
    adata.obsm[keys.obsm] = latent
    adata.uns[keys.uns] = record
    logger.info("added\n    .obsm[%r]\n    .uns[%r]", keys.obsm, keys.uns)
    if label_key is not None:
        _copy_labels(mapped, adata, TransferKeys(transfer))
    return model


def _copy_labels(mapped: AnnData, adata: AnnData, keys: TransferKeys) -> None:
    for name in (keys.obs, keys.confidence, keys.entropy, keys.typicality):
        adata.obs[name] = mapped.obs[name].array
    adata.obsm[keys.probability] = mapped.obsm[keys.probability]
    for name in {keys.uns, colors_key(keys.obs)} & mapped.uns.keys():
        adata.uns[name] = mapped.uns[name]
