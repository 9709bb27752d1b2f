"""References speak together with their nearest neighbours, and not for the cells that they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lowdepth.tl._refinement._neighborhoods import NEVER, Neighborhoods


def brute_force(latent, n_neighbors, scores):
    distance = np.linalg.norm(latent[:, None] - latent[None], axis=2)
    np.fill_diagonal(distance, -1)
    nearest = distance.argsort(axis=1)[:, : n_neighbors + 1]
    return np.stack([[row[of_reference].mean() for of_reference in nearest] for row in scores])


@given(
    n_references=st.integers(1, 12), n_neighbors=st.integers(0, 15), n_cells=st.integers(0, 4), seed=st.integers(0, 99)
)
def test_mean_equals_brute_force(n_references, n_neighbors, n_cells, seed):
    rng = np.random.default_rng(seed)
    latent, scores = rng.normal(size=(n_references, 3)), rng.normal(size=(n_cells, n_references))
    given_scores = torch.from_numpy(scores.copy())
    observed = Neighborhoods(torch.from_numpy(latent), n_neighbors).mean(given_scores)
    assert observed.shape == scores.shape
    if n_cells:
        np.testing.assert_allclose(observed, brute_force(latent, n_neighbors, scores), atol=1e-12)
    np.testing.assert_array_equal(given_scores, scores)


def test_cells_that_are_references_are_explained_by_others():
    latent = np.arange(6.0)[:, None] ** 2
    scores = np.random.default_rng(0).normal(size=(4, 6))
    own = {0: 3, 2: 0}  # the other two cells are no references
    is_own = np.zeros((4, 6), bool)
    is_own[list(own), list(own.values())] = True
    expected = scores.copy()
    expected[0, 3], expected[2, 0] = scores[0, [2, 4]].mean(), scores[2, [1, 2]].mean()
    expected = brute_force(latent, 2, expected)
    expected[is_own] = NEVER
    observed = Neighborhoods(torch.from_numpy(latent), 2).mean_of_others(
        torch.from_numpy(scores), torch.from_numpy(is_own)
    )
    np.testing.assert_allclose(observed, expected)


@pytest.mark.parametrize("n_neighbors", [0, 2])
def test_a_reference_without_neighbours_speaks_alone(n_neighbors):
    neighborhoods = Neighborhoods(torch.zeros(1, 2), n_neighbors)
    assert neighborhoods.mean(torch.tensor([[3.0]])).item() == 3
    assert neighborhoods.mean_of_others(torch.tensor([[3.0]]), torch.tensor([[True]])).item() == np.float32(NEVER)
