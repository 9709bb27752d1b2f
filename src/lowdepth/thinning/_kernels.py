"""Thinning of all counts of a matrix, in parallel over its cells.

The uniforms of a cell's entries, and what its tables tell of them, come from loops without
branches, which the compiler turns into vector code; one entry in twenty needs more.
"""

from __future__ import annotations

import numba
import numpy as np
from fast_array_utils.numba import njit

from ._draws import draw_kept, look_up, tables
from ._philox import uniform_pair


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
    # allocated here and not in compiled code, because numpy asks the system for huge pages
    loose_data, loose_indices = np.empty_like(data), np.empty_like(indices)
    sizes = _thin_rows(data, indices, indptr, keep, overdispersion, key, origin, loose_data, loose_indices)
    ends = np.append(0, sizes.cumsum()).astype(indptr.dtype)
    packed_data, packed_indices = np.empty(ends[-1], data.dtype), np.empty(ends[-1], indices.dtype)
    _pack(loose_data, loose_indices, indptr, packed_data, packed_indices, ends)
    return packed_data, packed_indices, ends


@njit
def _thin_rows(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    keep: np.ndarray,
    overdispersion: np.ndarray,
    key: np.uint64,
    origin: tuple[int, int],
    loose_data: np.ndarray,
    loose_indices: np.ndarray,
) -> np.ndarray:
    """Write what is left of each row to where the row began, and give the numbers of entries left."""
    sizes = np.zeros(len(indptr) - 1, np.int64)
    binomial = not overdispersion.any()
    for parallel_row in numba.prange(len(sizes)):
        row = np.int64(parallel_row)  # prange counts in uint64, which mixes with signed integers to a float
        start, stop = indptr[row], indptr[row + 1]
        p = keep[row]
        none, one = tables(p)
        uniforms, looked_up = np.empty(stop - start), np.empty(stop - start, np.int64)
        for i in range(stop - start):
            col = np.int64(indices[start + i])
            uniforms[i] = uniform_pair(key, origin[0] + row, origin[1] + col, 0)[0]
        for i in range(stop - start):
            looked_up[i] = look_up(np.int64(data[start + i]), p, uniforms[i], none, one)
        end = start
        for i in range(stop - start):
            kept = looked_up[i]
            if kept < 0 or not binomial:
                n, col = np.int64(data[start + i]), np.int64(indices[start + i])
                kept = draw_kept(n, p, uniforms[i], none, overdispersion[col], key, origin[0] + row, origin[1] + col)
            loose_data[end], loose_indices[end] = kept, indices[start + i]
            end += kept > 0
        sizes[row] = end - start
    return sizes


@njit
def _pack(
    loose_data: np.ndarray,
    loose_indices: np.ndarray,
    begins: np.ndarray,
    packed_data: np.ndarray,
    packed_indices: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Close the gaps between rows."""
    for parallel_row in numba.prange(len(ends) - 1):
        row = np.int64(parallel_row)
        size = ends[row + 1] - ends[row]
        packed_data[ends[row] : ends[row + 1]] = loose_data[begins[row] : begins[row] + size]
        packed_indices[ends[row] : ends[row + 1]] = loose_indices[begins[row] : begins[row] + size]


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
        none, one = tables(p)
        for col in range(counts.shape[1]):
            n = np.int64(counts[row, col])
            if n > 0:
                u, _ = uniform_pair(key, origin[0] + row, origin[1] + col, 0)
                kept = look_up(n, p, u, none, one)
                if kept < 0 or overdispersion[col] > 0.0:
                    kept = draw_kept(n, p, u, none, overdispersion[col], key, origin[0] + row, origin[1] + col)
                out[row, col] = kept
    return out
