"""Deep cells: whether there are any, whose types are known, and which are to be recognised at lesser depths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lowdepth._checks import at_least, numbers, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ._model_cells import ModelCells

N_FOLDS = 5
"""A cell is judged by the deep cells of the other folds: by four fifths of them, without itself."""

USUAL_DEPTHS = 20.0, 30.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 3000.0, 5000.0
"""From the floor of the method's tutorial on, two or three in each factor of ten."""


class DeepCells(NamedTuple):
    """Deep cells with their types (codes), their folds, and the rows of those to be judged, in ascending order."""

    cells: ModelCells
    codes: NDArray[np.int64]
    fold: NDArray[np.int64]
    judged: NDArray[np.int64]


def deep_and_shallow(total_umi: NDArray[np.float64], low_umi: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the deep cells and the shallow ones."""
    shallow = total_umi < low_umi
    if shallow.all() or not shallow.any():
        msg = (
            f"no {'deep' if shallow.all() else 'shallow'} cell with `low_umi={low_umi}`: depths run from "
            f"{total_umi.min():.0f} to {total_umi.max():.0f} UMIs; choose a cutoff between them"
        )
        raise ValueError(msg)
    return np.flatnonzero(~shallow), np.flatnonzero(shallow)


def warn_without_deep_cells(total_umi: NDArray[np.float64], low_umi: float) -> None:
    """Tell the user of a model that no cell can teach it what depth does."""
    if (total_umi < low_umi).all():
        warn(f"No cell has {low_umi} UMIs or more: the method learns from deep cells what shallow ones are.")


def grid_of(depths: Sequence[float] | None, low_umi: float) -> NDArray[np.float64]:
    """Give the depths to thin to, in ascending order.

    >>> grid_of(None, 150)
    array([ 20.,  30.,  50., 100., 150.])
    """
    at_least("low_umi", low_umi, 1)
    if depths is None:
        return np.array([depth for depth in USUAL_DEPTHS if depth < low_umi] + [float(low_umi)])
    grid = np.unique(numbers(depths, "`depths`"))
    bad = grid[~((grid > 0) & (grid <= low_umi))]
    if bad.size:
        msg = f"`depths` holds {bad[0]}: depths lie above 0 and not above `low_umi={low_umi}`, which deep cells have"
        raise ValueError(msg)
    if not grid.size:
        msg = "`depths` is empty; give the UMIs to thin to, or `None` for the usual ones"
        raise ValueError(msg)
    return grid


def labelled_deep_cells(
    cells: ModelCells, label: pd.Categorical[Any], *, low_umi: float
) -> tuple[ModelCells, NDArray[np.int64]]:
    """Give the deep cells with a label, and their types.

    They are in the order of their names: what is drawn does not depend on the order of the file.
    """
    rows = np.flatnonzero((cells.total_umi >= low_umi) & (label.codes >= 0))
    rows = rows[np.argsort(cells.obs.index.to_numpy(str)[rows], kind="stable")]
    return cells.take(rows), label.codes[rows].astype(np.int64)


def with_folds(
    cells: ModelCells, codes: NDArray[np.int64], *, max_obs: int, generator: np.random.Generator
) -> DeepCells:
    """Deal each type out over the folds, and draw the cells to judge.

    The only cell of its type cannot be recognised by others, and is not judged.
    """
    n_cells = len(codes)
    fold = np.empty(n_cells, np.int64)
    fold[np.lexsort((generator.random(n_cells), codes))] = np.arange(n_cells) % N_FOLDS
    judged = np.flatnonzero(np.bincount(codes)[codes] > 1)
    if len(judged) > max_obs:
        judged = np.sort(generator.choice(judged, max_obs, replace=False))
    return DeepCells(cells, codes, fold, judged)


def least_voters(n_cells: int) -> int:
    """Give the number of cells outside of the largest fold.

    >>> least_voters(12)
    9
    """
    return n_cells - -(-n_cells // N_FOLDS)
