"""Negative-binomial counts, sparse from the start and exact.

A negative binomial of mean μ and overdispersion α is a sum of clusters: their number is
Poisson, their sizes follow the logarithmic distribution (Quenouille, "A relation between
the logarithmic, Poisson, and negative binomial series", Biometrics 5, 1949). So the genes
of a cell are laid end to end on a line, each as long as its expected count; the points of
a Poisson process of unit rate fall on that line, and each of them makes a cluster, or
nothing. The work grows with the UMIs of a cell, and zeros cost next to none.
"""

from __future__ import annotations

from math import log, log1p
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from fast_array_utils.numba import njit
from scipy.sparse import csr_matrix

from lowdepth.thinning._philox import uniform_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 1e-17
"""Cluster sizes less likely than this lie below the resolution of the uniforms."""


class _Genes(NamedTuple):
    shares: np.ndarray
    ends: np.ndarray  # where each gene ends on the line of all genes, whose length is one
    overdispersion: np.ndarray


class _Stored(NamedTuple):
    data: np.ndarray
    indices: np.ndarray


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
    >>> shares = np.array([[0.0, 1.0], [0.5, 0.5]])
    >>> draw_counts(shares, np.array([0, 1]), np.full(2, 50.0), np.zeros(2), np.uint64(0)).toarray()
    array([[ 0., 50.],
           [30., 15.]], dtype=float32)
    """
    genes = _Genes(shares, shares.cumsum(axis=1), overdispersion)
    # streams can be repeated, so a first pass counts what the second one stores: no buffer, no copy
    nothing = _Stored(np.empty(0, np.float32), np.empty(0, np.int32))
    sizes = _draw(genes, (group, depth), key, np.zeros(len(group) + 1, np.int64), nothing)
    indptr = np.concatenate([[0], sizes.cumsum()])
    stored = _Stored(np.empty(indptr[-1], np.float32), np.empty(indptr[-1], np.int32))
    _draw(genes, (group, depth), key, indptr, stored)
    return csr_matrix((*stored, indptr), shape=(len(group), shares.shape[1]))


@njit
def _draw(
    genes: _Genes, cells: tuple[np.ndarray, np.ndarray], key: np.uint64, indptr: np.ndarray, stored: _Stored
) -> np.ndarray:
    """Draw all cells, each into its own part of ``stored``, and give their numbers of non-zero genes."""
    group, depth = cells
    sizes = np.zeros(len(group), np.int64)
    for parallel_cell in numba.prange(len(group)):
        cell = np.int64(parallel_cell)  # prange counts in uint64, which mixes with signed integers to a float
        k, own = group[cell], slice(indptr[cell], indptr[cell + 1])
        genes_here = _Genes(genes.shares[k], genes.ends[k], genes.overdispersion)
        sizes[cell] = _walk(genes_here, depth[cell], key, cell, _Stored(stored.data[own], stored.indices[own]))
    return sizes


@numba.njit(cache=True, nogil=True)
def _walk(genes: _Genes, depth: float, key: np.uint64, cell: int, stored: _Stored) -> int:
    """Walk along the genes of one cell; store its counts where there is room, give their number."""
    shares, ends, overdispersion = genes
    points, fates = np.zeros(128), np.empty(128)
    step, place, n_stored = 0, len(points), 0
    for gene in range(len(shares)):
        count = 0
        while True:
            if place == len(points):
                _next_points(points, fates, depth, key, (cell, step))
                step, place = step + len(points), 0
            if points[place] >= ends[gene]:
                break
            count += _cluster(fates[place], overdispersion[gene] * depth * shares[gene])
            place += 1
        if count > 0:
            if len(stored.data) > 0:
                stored.data[n_stored], stored.indices[n_stored] = count, gene
            n_stored += 1
    return n_stored


@numba.njit(cache=True, nogil=True)
def _next_points(points: np.ndarray, fates: np.ndarray, depth: float, key: np.uint64, stream: tuple[int, int]) -> None:
    """Go on from the last point of the process, and draw what becomes of each new one."""
    last = points[-1]
    # a loop without branches, which the compiler turns into vector code
    for i in range(len(points)):
        points[i], fates[i] = uniform_pair(key, stream[0], stream[1] + i, 0)
    for i in range(len(points)):
        last -= log(points[i]) / depth
        points[i] = last


@numba.njit(cache=True, nogil=True)
def _cluster(u: float, x: float) -> int:
    """Draw the size k of a cluster from one uniform, for x = αμ.

    P(k) = θ^k / (k x) with θ = x / (1 + x); these sum to log(1 + x) / x, and what is left
    to one is the probability of no cluster.
    """
    probability = 1.0 / (1.0 + x)
    if u < probability:
        return 1
    if u * x >= log1p(x):
        return 0
    theta = x * probability
    k = 1
    while u >= probability > _SMALLEST:
        u -= probability
        probability *= theta * k / (k + 1)
        k += 1
    return k
