"""What the deep cells say of the depth that cells need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from lowdepth.tl._cells._deep_cells import labelled_deep_cells, with_folds
from lowdepth.tl._cells._neighbor_index import NeighborIndex
from lowdepth.tl._cells._thinned_embedding import embed
from lowdepth.tl._transfer._neighbor_vote import vote_fractions

from ._crossing import cutoff_table
from ._recovered_types import curve_tables, recovered_types

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._model_cells import ModelCells

CELLS_PER_CLUSTER = 10
"""Of deep cells at least, on average."""


class MeasuredCutoff(NamedTuple):
    """Cutoffs, and the tables of the curve that they were read off."""

    cutoffs: pd.DataFrame
    tables: dict[str, pd.DataFrame]


def clustered(
    cells: ModelCells, model: BaseModelClass, *, low_umi: float, n_clusters: int, seed: int
) -> pd.Categorical[str]:
    """Give each deep cell its cluster in the embedding (k-means); shallow cells have none."""
    deep = np.flatnonzero(cells.total_umi >= low_umi)
    codes = np.full(len(cells.obs), -1)
    # in the order of their names, as everywhere where something is drawn
    deep = deep[np.argsort(cells.obs.index.to_numpy(str)[deep], kind="stable")]
    if len(deep):
        n_found = int(np.clip(len(deep) // CELLS_PER_CLUSTER, 1, n_clusters))
        codes[deep] = KMeans(n_found, random_state=seed, n_init=3).fit_predict(embed(cells.take(deep), model))
    return pd.Categorical.from_codes(codes, categories=pd.Index([f"cluster {i}" for i in range(codes.max() + 1)]))


def measured_cutoff(
    cells: ModelCells,
    label: pd.Categorical[Any],
    model: BaseModelClass,
    depths: NDArray[np.float64],
    *,
    target: float,
    low_umi: float,
    n_neighbors: int,
    max_obs: int,
    n_bootstrap: int,
    generator: np.random.Generator,
    progress: Any,
) -> MeasuredCutoff:
    """Thin deep cells, and read off at which depth they are recognised as often as asked for."""
    known, codes = labelled_deep_cells(cells, label, low_umi=low_umi)
    deep = with_folds(known, codes, max_obs=max_obs, generator=generator)
    predicted = recovered_types(deep, model, depths, n_neighbors=n_neighbors, generator=generator, progress=progress)
    truth, names = codes[deep.judged], label.categories.astype(str).to_numpy()
    bootstrap: dict[str, Any] = {"n_bootstrap": n_bootstrap, "generator": generator}
    right = predicted == truth[:, np.newaxis]
    return MeasuredCutoff(
        cutoff_table(right, truth, names, depths, target=target, **bootstrap),
        curve_tables(truth, predicted, depths, names, **bootstrap),
    )


def nearest_types(
    cells: ModelCells, label: pd.Categorical[Any], model: BaseModelClass, *, low_umi: float, n_neighbors: int
) -> NDArray[np.int64]:
    """Give deep cells their own type, and all others that of the deep cells nearest to them, as codes."""
    is_deep = (cells.total_umi >= low_umi) & (label.codes >= 0)
    codes = label.codes.astype(np.int64)
    voters, others = np.flatnonzero(is_deep), np.flatnonzero(~is_deep)
    if len(others):
        index = NeighborIndex(embed(cells.take(voters), model))
        near = index.nearest(embed(cells.take(others), model), min(n_neighbors, len(voters)))
        codes[others] = vote_fractions(near, codes[voters], n_types=len(label.categories)).argmax(axis=1)
    return codes
