"""Sums of UMIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from fast_array_utils import types
from fast_array_utils.numba import njit
from fast_array_utils.stats import sum as array_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray


def total_umis(counts: Any) -> NDArray[np.float64]:
    """Sum up each cell's UMIs, exactly: in 64 bits, whatever the dtype of the counts."""
    return in_memory(row_sums(counts))[0]


def row_sums(counts: Any) -> Any:
    """Sum up each cell's UMIs; those of a dask array stay lazy."""
    if isinstance(counts, types.CSBase) and counts.format == "csr":
        return _row_sums(counts.data, counts.indptr)
    return array_sum(counts, axis=1, dtype=np.float64)


@njit
def _row_sums(data: NDArray[Any], indptr: NDArray[Any]) -> NDArray[np.float64]:
    # scipy copies all counts to float64 first, which takes twice their memory
    sums = np.zeros(len(indptr) - 1)
    for row in numba.prange(len(sums)):
        for i in range(indptr[row], indptr[row + 1]):
            sums[row] += np.float64(data[i])
    return sums


def in_memory(*arrays: Any) -> tuple[NDArray[Any], ...]:
    """Give numpy arrays; those that are lazy are computed together, in one pass over their blocks."""
    if any(isinstance(array, types.DaskArray) for array in arrays):
        import dask  # noqa: PLC0415  whoever has a dask array has dask

        arrays = dask.compute(*arrays)
    return tuple(map(np.asarray, arrays))
