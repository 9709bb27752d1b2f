"""Whatever is predicted, the scores are scikit-learn's, and the tables add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from lowdepth.tl._score._confusion import confusion, macro_f1
from lowdepth.tl._score._predictions import Predictions
from lowdepth.tl._score._recovery import overall_recovery, recovery_per_depth, recovery_per_type
from lowdepth.tl._score._score_tables import ScoredCells, score_tables

NAMES = np.array(["B", "NK", "T", "none"])
predictions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40).map(
    lambda pairs: np.array(pairs).T
)


def bootstrap():
    return {"n_bootstrap": 3, "generator": np.random.default_rng(0)}


@given(predictions)
def test_scores_are_scikit_learns(both):
    truth, predicted = both
    of_types = {"labels": np.unique(truth), "zero_division": 0}
    found = overall_recovery(truth, predicted, **bootstrap()) | macro_f1(truth, predicted, **bootstrap())
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert found["balanced_accuracy"] == pytest.approx(recall_score(truth, predicted, average="macro", **of_types))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", **of_types))
    per_type = recovery_per_type(truth, predicted, NAMES, **bootstrap())
    np.testing.assert_allclose(per_type["recall"], recall_score(truth, predicted, average=None, **of_types))
    precision = precision_score(truth, predicted, average=None, **of_types)
    np.testing.assert_allclose(per_type["precision"].fillna(0), precision)  # ours of a type never predicted is missing


@given(predictions)
def test_tables_add_up(both):
    truth, predicted = both
    pairs = confusion(truth, predicted, NAMES)
    right = pairs["label"].astype(str) == pairs["predicted"].astype(str)
    assert pairs["n"].sum() == len(truth)
    assert pairs.loc[right, "n"].sum() == (truth == predicted).sum()
    per_type = recovery_per_type(truth, predicted, NAMES, **bootstrap())
    assert (per_type["n"] * per_type["recall"]).sum() == pytest.approx((truth == predicted).sum())


@given(predictions, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_matter(both, random):
    order = random.sample(range(both.shape[1]), both.shape[1])
    umis = np.geomspace(1, 400, both.shape[1])
    for score in (overall_recovery, macro_f1):
        assert score(*both, **bootstrap()) == score(*both[:, order], **bootstrap())
    ours, theirs = (
        recovery_per_depth(*both[:, cells], umis[cells], low_umi=500, **bootstrap()) for cells in (slice(None), order)
    )
    assert ours.equals(theirs)


@given(predictions)
def test_intervals_are_shares(both):
    found = overall_recovery(*both, **bootstrap()) | macro_f1(*both, **bootstrap())
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert 0 <= found[f"{name}_low"] <= found[f"{name}_high"] <= 1


@given(predictions)
def test_the_curve_ends_at_the_accuracy(both):
    truth, predicted = both
    one = np.ones(len(truth))
    tables = score_tables(
        ScoredCells(truth, NAMES, 100 * one, batch=None),
        Predictions(predicted, 0.5 * one),
        low_umi=500,
        n_bootstrap=0,
        generator=np.random.default_rng(0),
        other_generator=np.random.default_rng(0),
    )
    # all are equally sure, so that any share of them is right as often as all are
    np.testing.assert_allclose(tables["risk_coverage"]["accuracy"], tables["overall"]["accuracy"][0])
