"""The same cells, embedded again and again with fewer UMIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._random import stream_key
from lowdepth.thinning import thin_counts

from ._depth_bins import bin_of, depth_edges

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from ._model_cells import ModelCells


def embed(cells: ModelCells, model: BaseModelClass) -> NDArray[np.float64]:
    """Embed cells, which may be few and may be empty, for figures in double precision."""
    return cells.embedded(model).astype(np.float64)


def thinned_moments(
    cells: ModelCells,
    keep: NDArray[np.float64],
    model: BaseModelClass,
    *,
    n: int,
    generator: np.random.Generator,
    progress: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thin cells ``n`` times and embed them; give the mean, and the variance summed over the dimensions.

    Cells that lose every UMI lie at the bias point, and count. The variance is the unbiased one.
    """
    mean: NDArray[np.float64] = np.zeros(1)
    squares: NDArray[np.float64] = np.zeros(1)
    for draw in range(1, n + 1):
        counts = thin_counts(cells.loaded(), keep, stream_key(generator, cells.total_umi.sum()))
        latent = embed(cells._replace(counts=counts), model)
        # Welford's update: sums of squares would lose the spread of cells far from the origin
        step = latent - mean
        mean = mean + step / draw
        squares = squares + (step * (latent - mean)).sum(axis=1)
        progress.update()
    return mean, squares / (n - 1)


def reliability(
    mean: NDArray[np.float64], noise: NDArray[np.float64], total_umi: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Give the share of the variance among cells of about one depth that is not a cell's own noise.

    The cells' means over ``n`` thinnings to half vary by the signal, by the noise of the cells' own
    counts, which is as large as that of a thinning to half, and by an n-th of the latter. What goes
    along with depth inside of a bin, linearly in its logarithm, is no signal.

    >>> mean, total_umi = np.array([[-1.0], [0.0], [1.0]]), np.array([9.0, 9.0, 9.0])
    >>> reliability(mean, np.array([0.0, 0.25, 0.5]), total_umi, n=1).round(2)
    array([1.  , 0.67, 0.5 ])
    """
    depth_bin = bin_of(total_umi, depth_edges(total_umi))
    signal = np.empty(depth_bin.max() + 1)
    for place in range(len(signal)):
        cells = depth_bin == place
        variance = _variance_beside_depth(mean[cells], np.log(total_umi[cells]))
        signal[place] = max(0.0, variance - noise[cells].mean() * (1 + 1 / n))
    total = signal[depth_bin] + noise
    return np.divide(signal[depth_bin], total, out=np.zeros(len(total)), where=total > 0)


def _variance_beside_depth(mean: NDArray[np.float64], log_umi: NDArray[np.float64]) -> float:
    depth = np.column_stack([np.ones(len(mean)), log_umi])
    along_depth, _, rank, _ = np.linalg.lstsq(depth, mean)
    beside = mean - depth @ along_depth
    return float((beside**2).sum() / max(len(mean) - int(rank), 1))
