"""The refinement of cells that stay on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pandas as pd

from lowdepth._blocked_counts import BlockedCounts

from ._cells._deep_cells import deep_and_shallow
from ._cells._model_cells import ModelCells
from ._refinement._compared import RefinementSettings, compared, refinement_record, scattered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lowdepth._keys import RefineKeys
    from lowdepth.model import JointEmbedding, StoredCells
    from lowdepth.model.stored._write_back import Results

ROWS_AT_A_TIME = 2**16
"""Read of the embedding and written again, refined."""


def refine_stored(
    cells: StoredCells,
    model: JointEmbedding,
    embeddings: Sequence[Any],
    results: Sequence[Results],
    keys: RefineKeys,
    *,
    low_umi: float,
    seed: int,
) -> None:
    """Refine as :func:`lowdepth.tl.refine_low_umi` does, with the references of all files.

    Counts and decoded profiles are in memory by portions; what is found is there for all cells, some ten numbers for
    each and ``n_latent``.

    Parameters
    ----------
    cells
        The cells.
    model
        Trained on them.
    embeddings
        Of the cells of each source.
    results
        What each source is to get.
    keys
        Names of what is written.
    low_umi
        Where cells are deep.
    seed
        Of the choice of references.
    """
    total_umi = cells.collection.total_umi
    deep, shallow = deep_and_shallow(total_umi, low_umi)
    is_deep = total_umi >= low_umi
    edges = np.cumsum([0, *(source.n_obs for source in cells.sources)])
    counts = da.concatenate([source.counts for source in cells.sources])
    settings = RefinementSettings()
    references, refined = compared(
        ModelCells(
            BlockedCounts(counts, np.arange(cells.n_obs), total_umi), cells.obs, pd.DataFrame(index=cells.var_names)
        ),
        model,
        np.concatenate([_rows(embedding, is_deep[edges[i] : edges[i + 1]]) for i, embedding in enumerate(embeddings)]),
        deep,
        shallow,
        settings=settings,
        seed=seed,
        progress_bar=cells.progress_bar,
    )
    record = refinement_record(settings, references, low_umi=low_umi, rng=seed)
    for i, result in enumerate(results):
        latent = result.embedding(keys.obsm, model.module.n_latent)
        n_references, entropy = result.column(keys.n_references), result.column(keys.entropy)
        for start in range(0, cells.sources[i].n_obs, ROWS_AT_A_TIME):
            rows = slice(start, min(start + ROWS_AT_A_TIME, cells.sources[i].n_obs))
            own = slice(*np.searchsorted(shallow, [edges[i] + rows.start, edges[i] + rows.stop]))
            places, n_rows = shallow[own] - edges[i] - rows.start, rows.stop - rows.start
            values = np.array(embeddings[i][rows])
            values[places] = refined.latent[own]
            latent[rows] = values
            n_references[rows] = scattered(refined.n_references[own], places, n_rows)
            entropy[rows] = scattered(refined.entropy[own], places, n_rows)
        result.record(keys.uns, record)


def _rows(embedding: Any, is_wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Read some rows of an embedding, block by block."""
    starts = range(0, embedding.shape[0], ROWS_AT_A_TIME)
    blocks = (np.asarray(embedding[start : start + ROWS_AT_A_TIME]) for start in starts)
    return np.concatenate([block[is_wanted[start:][: len(block)]] for start, block in zip(starts, blocks, strict=True)])
