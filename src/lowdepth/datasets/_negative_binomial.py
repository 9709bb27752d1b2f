"""Negative-binomial counts, sparse from the start and exact.

A negative binomial of mean μ and overdispersion α is a sum of clusters: their number is
Poisson, their sizes follow the logarithmic distribution (Quenouille, "A relation between
the logarithmic, Poisson, and negative binomial series", Biometrics 1949). So the genes of
a cell are laid end to end on a line, as long as their expected counts; a Poisson process
of unit rate walks along it, and each of its points is made a cluster, or nothing. The
work grows with the UMIs of a cell, not with the genes, and no zero is ever looked at.
"""

from __future__ import annotations

from math import log, log1p
from typing import TYPE_CHECKING

import numba
import numpy as np
from fast_array_utils.numba import njit
from scipy.sparse import csr_matrix

from lowdepth.thinning._philox import uniform_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 1e-17
"""Cluster sizes less likely than this lie below the resolution of the uniforms."""


def draw_counts(
    shares: NDArray[np.float64],
    group: NDArray[np.int64],
    depth: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
) -> csr_matrix:
    """Draw the counts of each cell i and gene j, with mean ``depth[i] * shares[group[i], j]``.

    Parameters
    ----------
    shares
        What part of the UMIs each gene has in each group of cells; rows sum to one.
    group, depth
        Group and expected number of UMIs of each cell.
    overdispersion
        The α of each gene's variance μ + αμ².
    key
        Key of the random stream: same key, same counts, for any number of threads.

    Examples
    --------
    >>> depth = np.full(2, 50.0)
    >>> draw_counts(np.full((1, 4), 0.25), np.zeros(2, int), depth, np.zeros(4), np.uint64(0)).shape
    (2, 4)
    """
    ends = shares.cumsum(axis=1)
    # the streams repeat, so a first pass can count what the second one writes: no buffer, no copy
    sizes = _sizes(shares, ends, group, depth, overdispersion, key)
    indptr = np.concatenate([[0], sizes.cumsum()])
    data, indices = _fill(shares, ends, group, depth, overdispersion, key, indptr)
    return csr_matrix((data, indices, indptr), shape=(len(group), shares.shape[1]))


@njit
def _sizes(
    shares: np.ndarray,
    ends: np.ndarray,
    group: np.ndarray,
    depth: np.ndarray,
    overdispersion: np.ndarray,
    key: np.uint64,
) -> np.ndarray:
    sizes = np.zeros(len(group), np.int64)
    for parallel_cell in numba.prange(len(group)):
        cell = np.int64(parallel_cell)  # prange counts in uint64, which mixes with signed integers to a float
        nowhere = (np.empty(0, np.float32), np.empty(0, np.int32))
        k = group[cell]
        sizes[cell] = _walk(shares[k], ends[k], depth[cell], overdispersion, key, cell, *nowhere)
    return sizes


@njit
def _fill(
    shares: np.ndarray,
    ends: np.ndarray,
    group: np.ndarray,
    depth: np.ndarray,
    overdispersion: np.ndarray,
    key: np.uint64,
    indptr: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    data, indices = np.empty(indptr[-1], np.float32), np.empty(indptr[-1], np.int32)
    for parallel_cell in numba.prange(len(group)):
        cell = np.int64(parallel_cell)
        own = slice(indptr[cell], indptr[cell + 1])
        k = group[cell]
        _walk(shares[k], ends[k], depth[cell], overdispersion, key, cell, data[own], indices[own])
    return data, indices


@numba.njit(cache=True, nogil=True)
def _walk(
    shares: np.ndarray,
    ends: np.ndarray,
    depth: float,
    overdispersion: np.ndarray,
    key: np.uint64,
    cell: int,
    data: np.ndarray,
    indices: np.ndarray,
) -> int:
    """Walk along the genes of one cell; write its counts where there is room, give their number."""
    n_stored, stored = 0, -1
    position, gene, step = 0.0, 0, 0
    while True:
        u, v = uniform_pair(key, cell, step, 0)
        step += 1
        position -= log(u) / depth
        while gene < len(ends) and ends[gene] <= position:
            gene += 1
        if gene == len(ends):
            return n_stored
        size = _cluster(v, overdispersion[gene] * depth * shares[gene])
        if size == 0:
            continue
        if gene != stored:
            n_stored, stored = n_stored + 1, gene
            if len(data):
                data[n_stored - 1], indices[n_stored - 1] = 0.0, gene
        if len(data):
            data[n_stored - 1] += size


@numba.njit(cache=True, nogil=True)
def _cluster(v: float, x: float) -> int:
    """Draw a cluster's size k from one uniform, for x = αμ.

    P(k) = θ^k / (k x) with θ = x / (1 + x). These sum to log(1 + x) / x; what is left is
    the probability that a point of the unit-rate process makes no cluster.
    """
    probability = 1.0 / (1.0 + x)
    if v < probability:
        return 1
    if v * x >= log1p(x):
        return 0
    theta = x * probability
    k = 1
    while v >= probability > _SMALLEST:
        v -= probability
        probability *= theta * k / (k + 1)
        k += 1
    return k
