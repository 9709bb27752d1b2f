"""Philox4x32-10: a random stream for every entry of the matrix.

A counter-based generator has no state to carry from one entry to the next: the
numbers of entry (cell, gene) are a function of the key and of these two indices.
So it does not matter whether the matrix is dense, CSR, CSC or cut into dask blocks,
in which order its entries come, or how many threads share the work.

Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numba
import numpy as np

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@numba.njit(cache=True, nogil=True, inline="always")
def philox4x32(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, key: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Map a counter of four 32-bit words and a 64-bit key to four random 32-bit words."""
    k0, k1 = key & _MASK, key >> _SHIFT
    for _ in range(10):
        product_0, product_1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> _SHIFT) ^ c1 ^ k0,
            product_1 & _MASK,
            (product_0 >> _SHIFT) ^ c3 ^ k1,
            product_0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@numba.njit(cache=True, nogil=True, inline="always")
def uniform_pair(key: np.uint64, row: int, col: int, draw: int) -> tuple[float, float]:
    """Give the ``draw``-th pair of independent uniforms in (0, 1), 52 bits each, of one entry."""
    row_bits = np.uint64(row)
    a, b, c, d = philox4x32(row_bits & _MASK, row_bits >> _SHIFT, np.uint64(col), np.uint64(draw), key)
    return _to_unit(a, b), _to_unit(c, d)


@numba.njit(cache=True, nogil=True, inline="always")
def _to_unit(high: np.uint64, low: np.uint64) -> float:
    return (float(high >> np.uint64(6)) * 67108864.0 + float(low >> np.uint64(6)) + 0.5) / 4503599627370496.0
