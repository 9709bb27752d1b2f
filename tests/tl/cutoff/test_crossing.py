"""Cutoffs read off curves that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lowdepth.tl._cutoff._crossing import ALL_CELLS, crossing, cutoff_table

DEPTHS = np.array([20.0, 50, 100, 200, 500, 1000])


@pytest.mark.parametrize(
    ("curve", "target", "expected"),
    [
        ([0.1, 0.2, 0.4, 0.6, 0.8, 0.9], 0.6, 200),
        ([0.1, 0.2, 0.4, 0.6, 0.8, 0.9], 0.5, np.sqrt(100 * 200)),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9], 0.5, 20),
        ([0.1, 0.2, 0.4, 0.6, 0.8, 0.9], 0.95, np.inf),
        # the fall from 0.8 to 0.6 is averaged away: 0.7 at 100 and 200 UMIs
        ([0.1, 0.4, 0.8, 0.6, 0.8, 0.9], 0.7, 100),
        ([0.1, 0.4, 0.8, 0.6, 0.8, 0.9], 0.75, np.sqrt(200 * 500)),
    ],
)
def test_known_crossings(curve, target, expected):
    assert crossing(np.array(curve), DEPTHS, target) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_target_needs_more_umis(curve, one, other):
    low, high = sorted((one, other))
    assert crossing(np.array(curve), DEPTHS, low) <= crossing(np.array(curve), DEPTHS, high)


def thresholds(n_cells, seed):
    """Draw cells that are recognised from a depth of their own on: log-normal around 100 UMIs."""
    needed = np.exp(np.random.default_rng(seed).normal(np.log(100), 1, n_cells))
    return needed[:, None] <= DEPTHS


def table_of(right, codes, target=0.7, n_bootstrap=200):
    names = np.array(["one", "absent", "other"])
    options = {"target": target, "n_bootstrap": n_bootstrap, "generator": np.random.default_rng(0)}
    return cutoff_table(right, codes, names, DEPTHS, **options).set_index("label")


def test_intervals_hold_the_true_cutoff_as_often_as_they_say():
    # the truth is what straight lines between the true shares give, as the depths are few
    true = crossing(stats.norm(np.log(100), 1).cdf(np.log(DEPTHS)), DEPTHS, 0.7)
    held = 0
    for seed in range(100):
        row = table_of(thresholds(300, seed), np.zeros(300, int)).loc[ALL_CELLS]
        held += row["cutoff_low"] <= true <= row["cutoff_high"]
    # percentile intervals of 300 cells are a little too short: a binomial of 0.93 is held to
    assert stats.binomtest(held, 100, 0.93).pvalue > 1e-3


def test_each_type_has_its_own_cutoff():
    right = np.vstack([np.tile(DEPTHS >= 50, (30, 1)), np.tile(DEPTHS >= 500, (10, 1))])
    table = table_of(right, np.repeat([0, 2], [30, 10]), target=0.99)
    assert table.index.to_list() == [ALL_CELLS, "one", "other"]
    assert table["n"].to_list() == [40, 30, 10]
    expected = [
        np.exp(np.interp(0.99, [low, 1], np.log(ends)))
        for low, ends in [(0.75, (200, 500)), (0, (20, 50)), (0, (200, 500))]
    ]
    np.testing.assert_allclose(table["cutoff"], expected)
    # all cells of a type fare alike: resampling changes nothing
    np.testing.assert_allclose(table.loc["one", ["cutoff_low", "cutoff_high"]].astype(float), expected[1])


def test_a_target_out_of_reach():
    right = np.tile(DEPTHS >= 500, (20, 1)) & (np.arange(20) < 12)[:, None]
    row = table_of(right, np.zeros(20, int)).loc[ALL_CELLS]
    assert row["cutoff"] == row["cutoff_high"] == np.inf
    assert row["recovery_at_most"] == 0.6
