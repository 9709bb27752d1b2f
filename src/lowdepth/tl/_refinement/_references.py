"""A few deep cells that stand for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq
from sklearn.cluster import MiniBatchKMeans

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS_PER_STRATUM = 5
"""References of a neighbourhood on average: few, so that a small state is a neighbourhood of its own."""

STARTS_PER_STRATUM = 20
"""Cells from among which each first centre is taken: enough to find states of one cell in a thousand."""


class References(NamedTuple):
    """Chosen cells, in ascending order, where they lie, and how many cells each stands for, itself included."""

    cells: NDArray[np.int64]
    latent: NDArray[np.floating]
    weight: NDArray[np.float64]


def choose_references(latent: NDArray[np.floating], n_references: int, seed: int) -> References:
    """Choose cells so that rare states stay represented and frequent ones keep their weight.

    A stratified sample. The strata are neighbourhoods in the latent space (k-means); each gets
    references in proportion to the square root of its size, at least one and at most all of its
    cells. That is half way between a plain sample, which misses rare states, and as many for
    each, which leaves frequent ones coarse. The cells of a stratum are shared out evenly among
    its references, so that weighted sums over references estimate sums over all cells without bias.

    Parameters
    ----------
    latent
        Cells by dimensions, finite.
    n_references
        Cells to choose; all are taken where there are no more than that.
    seed
        Of the neighbourhoods and of the draw.
    """
    n_obs = len(latent)
    if n_obs <= n_references:
        return References(np.arange(n_obs), latent, np.ones(n_obs))
    stratum = neighborhoods(latent, max(1, n_references // CELLS_PER_STRATUM), seed)
    size = np.bincount(stratum)
    n_chosen = _allocate(size, n_references)
    order = np.lexsort((np.random.default_rng(seed).random(n_obs), stratum))
    rank = np.arange(n_obs) - np.repeat(size.cumsum() - size, size)
    cells = np.sort(order[rank < np.repeat(n_chosen, size)])
    return References(cells, latent[cells], (size / n_chosen)[stratum[cells]])


def neighborhoods(latent: NDArray[np.floating], n_clusters: int, seed: int) -> NDArray[np.intp]:
    """Tell the neighbourhood of each cell, numbers without gaps; there can be fewer than asked for."""
    clusters = MiniBatchKMeans(
        n_clusters, random_state=seed, n_init=1, init_size=min(len(latent), STARTS_PER_STRATUM * n_clusters)
    )
    return np.unique(clusters.fit_predict(latent), return_inverse=True)[1]


def _allocate(size: NDArray[np.intp], n_total: int) -> NDArray[np.int64]:
    """Share ``n_total`` out by the square roots of the sizes; more strata than that have to be at most the cells."""

    def quota(scale: float) -> NDArray[np.float64]:
        return np.clip(scale * np.sqrt(size), 1, size)

    scale = brentq(lambda scale: quota(scale).sum() - n_total, 0, size.max())
    # rounding the running sum keeps the total, and moves no stratum by one or more
    return np.diff(np.floor(quota(scale).cumsum() + 0.5), prepend=0).astype(np.int64)
