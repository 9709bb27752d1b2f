"""Deep cells thinned, embedded and recognised by other deep cells, depth by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lowdepth.tl._cells._deep_cells import N_FOLDS
from lowdepth.tl._cells._neighbor_index import NeighborIndex
from lowdepth.tl._cells._thinned_embedding import embed
from lowdepth.tl._score._recovery import overall_recovery, recovery_per_type
from lowdepth.tl._transfer._neighbor_vote import vote_fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._deep_cells import DeepCells


def recovered_types(
    deep: DeepCells,
    model: BaseModelClass,
    depths: NDArray[np.float64],
    *,
    n_neighbors: int,
    generator: np.random.Generator,
    progress: Any,
) -> NDArray[np.int64]:
    """Give the types that the judged cells are taken for, cells by depths.

    A cell without any UMI left has none, -1. The generator decides alone what is thinned away: models
    that are given equal ones see the same cells.
    """
    latent = embed(deep.cells, model)
    n_types = int(deep.codes.max()) + 1
    voters = [np.flatnonzero(deep.fold != fold) for fold in range(N_FOLDS)]
    indices = [NeighborIndex(latent[rows]) for rows in voters]
    predicted = np.full((len(deep.judged), len(depths)), -1)
    for place, depth in enumerate(depths):
        progress.update()
        thinned, rows = deep.cells.thinned(deep.judged, np.full(len(deep.judged), depth), generator)
        if not len(rows):
            continue
        positions, fold_of = np.searchsorted(deep.judged, rows), deep.fold[rows]
        embedded = embed(thinned, model)
        for fold in np.unique(fold_of):
            own = fold_of == fold
            near = indices[fold].nearest(embedded[own], n_neighbors)
            votes = vote_fractions(near, deep.codes[voters[fold]], n_types=n_types)
            predicted[positions[own], place] = votes.argmax(axis=1)
    return predicted


def curve_tables(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    depths: NDArray[np.float64],
    names: NDArray[np.str_],
    *,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Give accuracy and balanced accuracy, and the recall of each type, at each depth."""
    bootstrap: dict[str, Any] = {"n_bootstrap": n_bootstrap, "generator": generator}
    overall, per_type = [], []
    for depth, said in zip(depths, predicted.T, strict=True):
        overall.append({"depth": depth, **overall_recovery(truth, said, **bootstrap), "n": len(truth)})
        recall = recovery_per_type(truth, said, names, **bootstrap)
        recall.insert(0, "depth", depth)
        per_type.append(recall)
    return {"overall": pd.DataFrame(overall), "per_type": pd.concat(per_type, ignore_index=True)}
