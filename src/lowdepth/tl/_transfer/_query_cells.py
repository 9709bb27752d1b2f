"""New cells in the genes and batches of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from fast_array_utils.types import DaskArray
from scvi import REGISTRY_KEYS

from lowdepth._blocked_counts import BlockedCounts
from lowdepth._checks import get_counts, labels, obs_in_memory, warn
from lowdepth._csr import in_genes, without_genes
from lowdepth.model._stand_in import registered_layer
from lowdepth.tl._cells._model_cells import ModelCells

from ._closest_batch import closest_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

CELLS_PER_BATCH = 200
"""Deepest cells of a new batch that choose its place."""


class Query(NamedTuple):
    """Cells with the model's genes, which of these the user's data have, and the batches new to the model."""

    cells: ModelCells
    is_shared: NDArray[np.bool_]
    new_batches: list[Any]


def aligned(adata: AnnData, model: BaseModelClass, layer: str | None, *, min_shared: float) -> Query:
    """Bring the counts into the genes of the model, zero in those that are missing."""
    if not adata.var_names.is_unique:
        twice = adata.var_names[adata.var_names.duplicated()][0]
        msg = f"adata names the gene {twice!r} twice; make names unique with `adata.var_names_make_unique()`"
        raise ValueError(msg)
    genes = pd.Index(model.adata_manager.get_state_registry(REGISTRY_KEYS.X_KEY).column_names)
    place = adata.var_names.get_indexer(genes)
    is_shared = place >= 0
    share = f"{is_shared.sum():,} of the {len(genes):,} genes that `model` was trained on"
    if is_shared.mean() < min_shared:
        msg = (
            f"adata has {share}, less than `min_shared={min_shared}` of them; are its genes named as the model's, "
            f"{', '.join(genes[:3])}, …? Its own begin with {', '.join(adata.var_names[:3])}"
        )
        raise ValueError(msg)
    counts = get_counts(adata, layer or registered_layer(model))
    obs = _with_known_labels(obs_in_memory(adata), model)
    cells = ModelCells(_by_blocks(in_genes, counts, place), obs, pd.DataFrame(index=genes))
    n_empty = int((cells.total_umi == 0).sum())
    if n_empty:
        msg = f"{n_empty} cells hold no UMI in the genes of `model`: drop them, nothing can be said of them"
        raise ValueError(msg)
    if not is_shared.all():
        warn(f"adata has {share}; the {(~is_shared).sum():,} missing ones count as not expressed.")
    return Query(cells, is_shared, _new_batches(adata, model))


def in_known_batches(query: Query, model: BaseModelClass) -> tuple[ModelCells, pd.DataFrame]:
    """Give the cells of unknown batches that of the known one which explains them best, and what became what."""
    key, known = _batches(model)
    cells, chosen = query.cells, []
    total_umi = cells.total_umi
    for batch in query.new_batches:
        own = np.flatnonzero(cells.obs[key] == batch)
        deepest = own[np.argsort(-total_umi[own], kind="stable")[:CELLS_PER_BATCH]]
        chosen.append(closest_batch(cells.take(deepest), model, key, known, query.is_shared))
    table = pd.DataFrame({"batch": [str(new) for new in query.new_batches], "taken_for": [str(old) for old in chosen]})
    if chosen:
        taken_for = dict(zip(query.new_batches, chosen, strict=True))
        renamed = [taken_for.get(batch, batch) for batch in cells.obs[key]]
        cells = cells._replace(obs=cells.obs.assign(**{key: renamed}))
    return cells, table


def with_the_same_genes(reference: AnnData, model: BaseModelClass, query: Query) -> AnnData:
    """Silence the genes that the query lacks in its reference too, so that both are embedded alike."""
    if query.is_shared.all():
        return reference
    whole = ModelCells.of(reference, model, None)
    cells = whole._replace(counts=_by_blocks(without_genes, whole.counts, query.is_shared))
    left = cells.take(np.flatnonzero(cells.total_umi > 0))
    silenced = as_anndata(left, model)
    silenced.obs_names = left.obs.index  # by its name a cell is known to be one that the model was trained on
    silenced.uns.update(reference.uns)  # the labels' colours are there
    return silenced


def as_anndata(cells: ModelCells, model: BaseModelClass) -> AnnData:
    """Put the counts where the model was trained on them."""
    layer = registered_layer(model)
    obs = cells.obs.set_axis(np.arange(len(cells.obs)).astype(str), axis=0)
    counts = cells.counts.lazy() if isinstance(cells.counts, BlockedCounts) else cells.counts
    layers = {} if layer is None else {layer: counts}
    return AnnData(None if layers else counts, obs, cells.var.copy(), layers=layers)


def _by_blocks(change: Callable[..., sp.csr_matrix], counts: Any, of_genes: NDArray[Any]) -> CSBase | BlockedCounts:
    """Change counts in memory now, those of a dask array when they are computed."""
    if isinstance(counts, BlockedCounts):
        counts = counts.lazy()
    if not isinstance(counts, DaskArray):
        return change(counts, of_genes)
    blocks = counts.rechunk({1: -1})
    meta = sp.csr_matrix((0, 0), dtype=counts.dtype)
    chunks = (blocks.chunks[0], (len(of_genes),))
    return BlockedCounts.of(blocks.map_blocks(change, of_genes, chunks=chunks, dtype=counts.dtype, meta=meta))


def _batches(model: BaseModelClass) -> tuple[str, NDArray[Any]]:
    registry = model.adata_manager.get_state_registry(REGISTRY_KEYS.BATCH_KEY)
    return registry.original_key, registry.categorical_mapping


def _new_batches(adata: AnnData, model: BaseModelClass) -> list[Any]:
    key, known = _batches(model)
    if key == "_scvi_batch":  # the model was set up without batches
        return []
    if key not in adata.obs:
        msg = (
            f"adata.obs[{key!r}] is missing, the column of the batches of `model`; add it, with a new name "
            "for each new batch"
        )
        raise KeyError(msg)
    batch = labels(adata, key)
    if (batch.codes < 0).any():
        msg = f"adata.obs[{key!r}] is missing for {(batch.codes < 0).sum()} cells: give them a batch"
        raise ValueError(msg)
    return [name for name in batch.remove_unused_categories().categories if name not in set(known)]


def _with_known_labels(obs: pd.DataFrame, model: BaseModelClass) -> pd.DataFrame:
    """Put one known label into the model's label column: scvi-tools registers it, and no encoder reads it."""
    registry = model.adata_manager.get_state_registry(REGISTRY_KEYS.LABELS_KEY)
    if registry.original_key == "_scvi_labels":
        return obs
    return obs.assign(**{registry.original_key: registry.categorical_mapping[0]})
