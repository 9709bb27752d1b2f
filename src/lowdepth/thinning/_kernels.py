"""Thinning of all counts of a matrix, in parallel over its cells.

For each cell the uniforms of its entries, and the probability that nothing happens to
them, come from loops without branches, which the compiler turns into vector code: that
is where the speed comes from.
"""

from __future__ import annotations

import numba
import numpy as np
from fast_array_utils.numba import njit

from ._draws import draw_kept, small_power
from ._philox import uniform_pair


@njit
def thin_csr(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    keep: np.ndarray,
    overdispersion: np.ndarray,
    key: np.uint64,
    origin: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin a CSR matrix whose first entry is entry ``origin`` of the whole; zeros are not stored."""
    n_obs = len(indptr) - 1
    loose_data, loose_indices = np.empty_like(data), np.empty_like(indices)
    sizes = np.zeros(n_obs + 1, indptr.dtype)
    for parallel_row in numba.prange(n_obs):
        row = np.int64(parallel_row)  # prange counts in uint64, which mixes with signed integers to a float
        start, stop = indptr[row], indptr[row + 1]
        p = keep[row]
        uniforms, none = np.empty(stop - start), np.empty(stop - start)
        for i in range(stop - start):
            col = np.int64(indices[start + i])
            uniforms[i] = uniform_pair(key, origin[0] + row, origin[1] + col, 0)[0]
        for i in range(stop - start):
            none[i] = small_power(max(p, 1.0 - p), np.int64(data[start + i]))
        end = start
        for i in range(stop - start):
            n, col = np.int64(data[start + i]), np.int64(indices[start + i])
            kept = draw_kept(n, p, uniforms[i], none[i], overdispersion[col], key, origin[0] + row, origin[1] + col)
            loose_data[end], loose_indices[end] = kept, col
            end += kept > 0
        sizes[row + 1] = end - start
    ends = np.cumsum(sizes).astype(indptr.dtype)
    packed_data, packed_indices = np.empty(ends[-1], data.dtype), np.empty(ends[-1], indices.dtype)
    for parallel_row in numba.prange(n_obs):
        row = np.int64(parallel_row)
        size = ends[row + 1] - ends[row]
        packed_data[ends[row] : ends[row + 1]] = loose_data[indptr[row] : indptr[row] + size]
        packed_indices[ends[row] : ends[row + 1]] = loose_indices[indptr[row] : indptr[row] + size]
    return packed_data, packed_indices, ends


@njit
def thin_dense(
    counts: np.ndarray,
    keep: np.ndarray,
    overdispersion: np.ndarray,
    key: np.uint64,
    origin: tuple[int, int],
) -> np.ndarray:
    """Thin a dense matrix whose first entry is entry ``origin`` of the whole."""
    out = np.zeros_like(counts)
    for parallel_row in numba.prange(counts.shape[0]):
        row = np.int64(parallel_row)
        p = keep[row]
        for col in range(counts.shape[1]):
            n = np.int64(counts[row, col])
            if n > 0:
                u, _ = uniform_pair(key, origin[0] + row, origin[1] + col, 0)
                none = small_power(max(p, 1.0 - p), n)
                out[row, col] = draw_kept(n, p, u, none, overdispersion[col], key, origin[0] + row, origin[1] + col)
    return out
