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

BLOCK_SIZE = 16
"""Cells that are written without a gap between them, so that little of the room for all entries is touched."""


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
    borders = np.append(np.arange(0, len(keep), BLOCK_SIZE), len(keep))
    loose_data, loose_indices = np.empty_like(data), np.empty_like(indices)
    sizes = np.zeros(len(keep) + 1, indptr.dtype)
    for block in numba.prange(len(borders) - 1):
        end = indptr[borders[block]]
        for row in range(borders[block], borders[block + 1]):
            sizes[row + 1] = _thin_row(
                data[indptr[row] : indptr[row + 1]],
                indices[indptr[row] : indptr[row + 1]],
                keep[row],
                overdispersion,
                key,
                (origin[0] + row, origin[1]),
                loose_data[end:],
                loose_indices[end:],
            )
            end += sizes[row + 1]
    ends = np.cumsum(sizes).astype(indptr.dtype)
    kept_data, kept_indices = np.empty(ends[-1], data.dtype), np.empty(ends[-1], indices.dtype)
    for block in numba.prange(len(borders) - 1):
        start, stop = ends[borders[block]], ends[borders[block + 1]]
        begin = indptr[borders[block]]
        kept_data[start:stop] = loose_data[begin : begin + stop - start]
        kept_indices[start:stop] = loose_indices[begin : begin + stop - start]
    return kept_data, kept_indices, ends


@numba.njit(cache=True, nogil=True)
def _thin_row(
    data: np.ndarray,
    indices: np.ndarray,
    p: float,
    overdispersion: np.ndarray,
    key: np.uint64,
    place: tuple[int, int],
    kept_data: np.ndarray,
    kept_indices: np.ndarray,
) -> int:
    """Write what is left of the cell whose first gene is entry ``place``, and give its number of entries."""
    none, one = tables(p)
    uniforms, looked_up = np.empty(len(data)), np.empty(len(data), np.int64)
    for i in range(len(data)):
        uniforms[i] = uniform_pair(key, place[0], place[1] + np.int64(indices[i]), 0)[0]
    for i in range(len(data)):
        looked_up[i] = look_up(np.int64(data[i]), p, uniforms[i], none, one)
    size = 0
    for i in range(len(data)):
        kept, alpha = looked_up[i], overdispersion[indices[i]]
        if kept < 0 or alpha > 0.0:
            col = place[1] + np.int64(indices[i])
            kept = draw_kept(np.int64(data[i]), p, uniforms[i], none, alpha, key, place[0], col)
        kept_data[size], kept_indices[size] = kept, indices[i]
        size += kept > 0
    return size


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
        row = np.int64(parallel_row)  # prange counts in uint64, which mixes with signed integers to a float
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
