"""The curve is the mean over all orders that the confidences allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowdepth.tl._score._risk_coverage import COVERAGES, headlines, risk_coverage


def test_without_ties_it_is_the_sorted_cells():
    rng = np.random.default_rng(0)
    confidence, right = rng.permutation(40) / 40, rng.random(40) < 0.6
    curve = risk_coverage(right, confidence)
    order = np.argsort(-confidence)
    for row in curve.itertuples():
        first = order[: round(row.coverage * 40)]
        assert row.accuracy == pytest.approx(right[first].mean())
        assert row.confidence == confidence[first].min()


def test_ties_are_shared_out():
    rng = np.random.default_rng(1)
    confidence, right = rng.integers(4, size=50) / 4, rng.random(50) < 0.6
    curve = risk_coverage(right, confidence)
    n_orders = 4000
    accuracies = np.empty((n_orders, len(COVERAGES)))
    for draw in range(n_orders):
        order = np.lexsort((rng.random(50), -confidence))
        accuracies[draw] = [right[order[: round(share * 50)]].mean() for share in COVERAGES]
    error = accuracies.std(axis=0) / np.sqrt(n_orders)
    assert (np.abs(accuracies.mean(axis=0) - curve["accuracy"]) <= 5 * error + 1e-12).all()


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=30))
def test_axioms(cells):
    right, confidence = map(np.array, zip(*cells, strict=True))
    curve = risk_coverage(right, confidence)
    assert curve["accuracy"].between(0, 1 + 1e-12).all()
    assert curve["accuracy"].iloc[-1] == pytest.approx(right.mean())
    assert curve["confidence"].is_monotonic_decreasing
    assert curve["confidence"].iloc[-1] == confidence.min()
    shuffled = np.random.default_rng(0).permutation(len(right))
    np.testing.assert_allclose(risk_coverage(right[shuffled], confidence[shuffled]), curve)


def test_headlines_are_points_of_the_curve():
    curve = risk_coverage(np.arange(10) < 6, -np.arange(10.0))
    assert headlines(curve) == {
        "accuracy_most_confident_50": 1.0,
        "accuracy_most_confident_70": pytest.approx(6 / 7),
        "accuracy_most_confident_90": pytest.approx(6 / 9),
    }


def test_no_confidence_no_curve():
    curve = risk_coverage(np.array([True, False]), np.array([0.5, np.nan]))
    assert curve[["accuracy", "confidence"]].isna().all(axis=None)
    assert list(curve["coverage"]) == list(COVERAGES)
