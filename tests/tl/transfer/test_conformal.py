"""Thresholds are the quantiles of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowdepth.tl._transfer._conformal import largest_score, merged_bins, thresholds_by_bin

ALPHAS = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9])


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0]), max_size=60), ALPHAS)
def test_threshold_is_the_finite_sample_quantile(scores, alpha):
    threshold = largest_score(np.array(scores), alpha)
    needed = round((len(scores) + 1) * (1 - alpha), 9)
    assert threshold == min((score for score in scores if sum(np.array(scores) <= score) >= needed), default=np.inf)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), ALPHAS, ALPHAS)
def test_a_smaller_alpha_never_lowers_the_threshold(scores, one, other):
    low, high = (largest_score(np.array(scores), alpha) for alpha in sorted((one, other)))
    assert low >= high


def test_few_cells_exclude_nothing():
    assert np.isinf(largest_score(np.arange(8.0), 0.1))
    assert largest_score(np.arange(9.0), 0.1) == 8


def test_bins_with_few_cells_share_a_threshold():
    scores, own_bin = np.arange(70.0), np.repeat([0, 1, 3], [30, 10, 30])
    thresholds = thresholds_by_bin(scores, own_bin, 4, 0.1)
    np.testing.assert_array_equal(thresholds, [27, *[largest_score(np.arange(30.0, 70), 0.1)] * 3])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 60))
def test_groups_are_neighbours_and_large_enough(n_cells, fewest):
    n_cells = np.array(n_cells)
    group = merged_bins(n_cells, fewest)
    assert set(np.diff(group)) <= {0, 1}
    held = np.bincount(group, n_cells)
    assert (held >= min(fewest, n_cells.sum())).all()
    assert len(held) == 1 or held.sum() == n_cells.sum()


@pytest.mark.parametrize("fewest", [1, 10])
def test_bins_that_are_large_enough_stay(fewest):
    np.testing.assert_array_equal(merged_bins(np.array([10, 20, 30]), fewest), [0, 1, 2])
