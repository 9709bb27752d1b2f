"""Exact neighbours are scikit-learn's; approximate ones are nearly all of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lowdepth.tl._cells import _neighbor_index as module
from lowdepth.tl._cells._neighbor_index import NeighborIndex


def points(n_obs, n_dims, seed):
    """Draw from clusters, as cells lie."""
    centers = 3 * np.random.default_rng(0).normal(size=(10, n_dims))
    rng = np.random.default_rng(seed)
    return (centers[rng.integers(10, size=n_obs)] + rng.normal(size=(n_obs, n_dims))).astype(np.float32)


@pytest.mark.parametrize("n_dims", [2, 32])
def test_exact_neighbours_are_those_of_brute_force(n_dims):
    reference, query = points(500, n_dims, 1), points(100, n_dims, 2)
    expected = NearestNeighbors(algorithm="brute").fit(reference).kneighbors(query, 7, return_distance=False)
    np.testing.assert_array_equal(NeighborIndex(reference).nearest(query, 7), expected)


@pytest.mark.xdist_group("umap")  # which uses pynndescent too
def test_approximate_neighbours_are_95_percent_of_the_exact_ones(monkeypatch):
    reference, query = points(4000, 32, 1), points(500, 32, 2)
    exact = NeighborIndex(reference).nearest(query, 15)
    monkeypatch.setattr(module, "EXACT_UP_TO", 3999)
    index = NeighborIndex(reference)
    assert not index.is_exact
    found = [len(np.intersect1d(*pair)) / 15 for pair in zip(exact, index.nearest(query, 15), strict=True)]
    assert np.mean(found) >= 0.95
    np.testing.assert_array_equal(index.nearest(query[:5], 15), NeighborIndex(reference).nearest(query[:5], 15))
    np.testing.assert_array_equal(NeighborIndex(reference, exact=True).nearest(query, 15), exact)
