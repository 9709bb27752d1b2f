"""Groups of cells of about one depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BINS = 8
CELLS_PER_BIN = 200
"""At least, on average: a frequency among so many cells is known to 3.5 points."""


def depth_edges(total_umi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the lowest depth of each bin, in ascending order; the bins hold about equally many of the cells.

    >>> depth_edges(np.arange(20.0, 820.0))
    array([ 20., 220., 420., 620.])
    """
    n_bins = int(np.clip(len(total_umi) // CELLS_PER_BIN, 1, MOST_BINS))
    return np.unique(np.quantile(total_umi, np.arange(n_bins) / n_bins, method="higher"))


def bin_of(total_umi: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give each cell's bin; those below the first edge belong to the first.

    >>> bin_of(np.array([5.0, 50.0, 500.0]), np.array([20.0, 50.0, 300.0]))
    array([0, 1, 2])
    """
    return np.maximum(np.searchsorted(edges, total_umi, side="right") - 1, 0)
