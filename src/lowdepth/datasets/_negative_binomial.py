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
from scipy.sparse import csr_matrix, vstack

from lowdepth.thinning._philox import uniform_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ENTRIES = 2**24
"""Cells times genes drawn at a time: only so many have room in memory, 8 bytes each."""

_SMALLEST = 1e-17
"""Cluster sizes less likely than this lie below the resolution of the uniforms."""


class _Genes(NamedTuple):
    shares: np.ndarray
    ends: np.ndarray  # where each gene ends on the line of all genes, whose length is one
    overdispersion: np.ndarray


class _Room(NamedTuple):
    data: np.ndarray
    indices: np.ndarray


def draw_counts(
    shares: NDArray[np.float64],
    group: NDArray[np.int64],
    depth: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
    *,
    first: int = 0,
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
        Key of the random stream: same key, same counts, for any block size and number of threads.
    first
        Position of the first of these cells among all that share the key.

    Examples
    --------
    >>> shares = np.array([[0.0, 1.0], [0.5, 0.5]])
    >>> draw_counts(shares, np.array([0, 1]), np.full(2, 50.0), np.zeros(2), np.uint64(0)).toarray()
    array([[ 0., 50.],
           [30., 15.]], dtype=float32)
    """
    genes = _Genes(shares, shares.cumsum(axis=1), overdispersion)
    n_vars = shares.shape[1]
    block_size = min(len(group), max(1, BLOCK_ENTRIES // n_vars))
    room = _Room(np.empty((block_size, n_vars), np.float32), np.empty((block_size, n_vars), np.int32))
    blocks = []
    for start in range(0, len(group), block_size):
        cells = slice(start, start + block_size)
        sizes = _draw(genes, (group[cells], depth[cells]), key, first + start, room)
        data, indices = (np.concatenate([part[i, :size] for i, size in enumerate(sizes)]) for part in room)
        indptr = np.concatenate([[0], sizes.cumsum()])
        blocks.append(csr_matrix((data, indices, indptr), shape=(len(sizes), n_vars)))
    return vstack(blocks, format="csr")


@njit
def _draw(genes: _Genes, cells: tuple[np.ndarray, np.ndarray], key: np.uint64, start: int, room: _Room) -> np.ndarray:
    """Draw a block of cells, the first of which is cell ``start``, and give their numbers of non-zero genes."""
    group, depth = cells
    sizes = np.zeros(len(group), np.int64)
    for parallel_row in numba.prange(len(group)):
        row = np.int64(parallel_row)  # prange counts in uint64, which mixes with signed integers to a float
        genes_here = _Genes(genes.shares[group[row]], genes.ends[group[row]], genes.overdispersion)
        sizes[row] = _walk(genes_here, depth[row], key, start + row, _Room(room.data[row], room.indices[row]))
    return sizes


@numba.njit(cache=True, nogil=True)
def _walk(genes: _Genes, depth: float, key: np.uint64, cell: int, room: _Room) -> int:
    """Walk along the genes of one cell; store those that are not zero, and give their number."""
    shares, ends, overdispersion = genes
    points, fates = np.zeros(128), np.empty(128)
    step, place, size = 0, len(points), 0
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
            room.data[size], room.indices[size] = count, gene
            size += 1
    return size


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
