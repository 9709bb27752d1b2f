"""References are few, stand for all deep cells, and do not forget the rare ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowdepth.tl._refinement._references import _allocate, choose_references


def blobs(sizes, *, n_latent=4, distance=20.0, seed=0):
    """Draw states that lie well apart."""
    rng = np.random.default_rng(seed)
    state = np.repeat(np.arange(len(sizes)), sizes)
    centers = distance * rng.standard_normal((len(sizes), n_latent))
    return (centers[state] + rng.standard_normal((len(state), n_latent))).astype(np.float32), state


@pytest.mark.parametrize("n_references", [50, 51, 10_000])
def test_all_cells_are_taken_where_there_are_few(n_references):
    latent, _ = blobs([50])
    references = choose_references(latent, n_references, 0)
    np.testing.assert_array_equal(references.cells, np.arange(50))
    np.testing.assert_array_equal(references.latent, latent)
    np.testing.assert_array_equal(references.weight, 1)


@settings(max_examples=15, deadline=None)
@given(n_obs=st.integers(2, 300), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_references_stand_for_every_cell_once(n_obs, share, seed):
    latent, _ = blobs([n_obs], seed=seed)
    n_references = max(1, int(share * n_obs))
    references = choose_references(latent, n_references, seed)
    assert len(references.cells) == n_references
    assert (np.diff(references.cells) > 0).all()
    np.testing.assert_array_equal(references.latent, latent[references.cells])
    assert (references.weight >= 1).all()
    np.testing.assert_allclose(references.weight.sum(), n_obs)


@settings(max_examples=100, deadline=None)
@given(size=st.lists(st.integers(1, 10_000), min_size=1, max_size=50), share=st.floats(0, 1))
def test_allocation_keeps_the_total_and_its_bounds(size, share):
    size = np.array(size)
    n_total = len(size) + int(share * (size.sum() - len(size)))
    n_chosen = _allocate(size, n_total)
    assert n_chosen.sum() == n_total
    assert (n_chosen >= 1).all()
    assert (n_chosen <= size).all()


def test_allocation_goes_by_square_roots():
    np.testing.assert_array_equal(_allocate(np.array([100, 400, 2500, 10_000]), 180), [10, 20, 50, 100])


@pytest.mark.parametrize("seed", range(4))
def test_a_state_of_one_cell_in_a_thousand_stays_represented(seed):
    latent, state = blobs([20_000, 20_000, 40])
    references = choose_references(latent, 400, seed)
    # a plain sample would hold none of them in two cases of three
    assert (state[references.cells] == 2).any()
    represented = np.bincount(state[references.cells], references.weight)
    # states this far apart share no neighbourhood
    np.testing.assert_allclose(represented, [20_000, 20_000, 40])


def test_weighted_sums_estimate_sums_over_all_cells_without_bias():
    latent, _ = blobs([900, 90, 10], distance=2.0)
    feature = np.exp(latent[:, 0] / 4).astype(np.float64)
    n_draws = 60
    estimates = [
        (references.weight * feature[references.cells]).sum()
        for references in (choose_references(latent, 60, seed) for seed in range(n_draws))
    ]
    standard_error = np.std(estimates, ddof=1) / np.sqrt(n_draws)
    assert abs(np.mean(estimates) - feature.sum()) < 4 * standard_error


def test_the_seed_decides():
    latent, _ = blobs([500])
    one, same, other = (choose_references(latent, 60, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.cells, same.cells)
    np.testing.assert_array_equal(one.weight, same.weight)
    assert set(one.cells) != set(other.cells)


def test_a_collapsed_latent_still_has_references():
    references = choose_references(np.zeros((100, 3), np.float32), 30, 0)
    assert len(references.cells) == 30
    np.testing.assert_allclose(references.weight, 100 / 30)


def test_global_random_state_is_left_as_found():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    choose_references(blobs([500])[0], 60, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
