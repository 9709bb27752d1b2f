"""Thresholds are the quantiles of the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowdepth.tl._transfer._conformal import label_thresholds, merged_bins

ALPHAS = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9])


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0]), min_size=1, max_size=60), ALPHAS)
def test_equal_weights_give_the_finite_sample_quantile(scores, alpha):
    scores = np.array(scores)
    rank = math.ceil(round((len(scores) + 1) * (1 - alpha), 9))
    expected = np.sort(scores)[rank - 1] if rank <= len(scores) else np.inf
    np.testing.assert_array_equal(label_thresholds(scores, np.ones(len(scores)), np.ones(3), alpha), expected)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 10)), min_size=1, max_size=40),
    st.floats(0.01, 10),
    ALPHAS,
)
def test_weighted_quantile_by_brute_force(cells, own, alpha):
    scores, weights = np.array(cells).T
    (threshold,) = label_thresholds(scores, weights, np.array([own]), alpha)
    total = weights.sum() + own

    def reached(score):
        return weights[scores <= score].sum() / total

    below = scores[scores < threshold]
    if np.isfinite(threshold):
        assert threshold in scores
        assert reached(threshold) >= (1 - alpha) * (1 - 1e-9)
    assert not below.size or reached(below.max()) < (1 - alpha) * (1 + 1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), ALPHAS, ALPHAS)
def test_a_smaller_alpha_never_lowers_the_threshold(scores, one, other):
    low, high = (
        label_thresholds(np.array(scores), np.ones(len(scores)), np.ones(1), alpha) for alpha in sorted((one, other))
    )
    assert low >= high


def test_few_cells_exclude_nothing():
    assert np.isinf(label_thresholds(np.arange(8.0), np.ones(8), np.ones(1), 0.1)).all()
    assert np.isfinite(label_thresholds(np.arange(9.0), np.ones(9), np.ones(1), 0.1)).all()


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
