"""Exponential and logarithms in float32, to the last places, against numpy in float64."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from lowdepth.model.engine import _fast_math

TINY = np.finfo(np.float32).tiny
POSITIVE = np.geomspace(TINY, 3e38, 200_001, dtype=np.float64).astype(np.float32)
AROUND_ONE = np.linspace(0.5, 2, 200_001, dtype=np.float32)


def elementwise(name):
    function = getattr(_fast_math, name)

    @numba.vectorize
    def apply(x):
        return function(x)

    return apply


def last_places(ours, exact):
    """Give the errors in units of the last place of the exact value's float32."""
    assert ours.dtype == np.float32
    return np.abs(ours - exact) / np.spacing(np.abs(exact).astype(np.float32))


def test_exp():
    x = np.linspace(-60, 88, 400_001, dtype=np.float32)
    assert last_places(elementwise("exp")(x), np.exp(x.astype(np.float64))).max() < 2


def test_exp_of_zero_is_one():
    # the largest logit of a cell must come out as one
    assert elementwise("exp")(np.zeros(1, np.float32))[0] == 1


def test_exp_far_below_is_nothing_next_to_one():
    out = elementwise("exp")(np.array([-61, -1e4, -3e38], np.float32))
    np.testing.assert_array_less(0, out)
    assert (np.float32(1) + 100_000 * out == 1).all()


@pytest.mark.parametrize("x", [POSITIVE, AROUND_ONE], ids=["all sizes", "around one"])
def test_log(x):
    assert last_places(elementwise("log")(x), np.log(x.astype(np.float64))).max() < 2


@pytest.mark.parametrize("x", [POSITIVE, AROUND_ONE - np.float32(0.5)], ids=["all sizes", "small"])
def test_log1p(x):
    # where 1 + x is not scaled the argument is exact; above, its rounding is half a unit in a logarithm of 0.3 or more
    assert last_places(elementwise("log1p")(x), np.log1p(x.astype(np.float64))).max() < 3


def test_log1p_is_exact_where_the_square_is_nothing():
    x = np.append(np.float32(0), np.geomspace(TINY, 1e-8, 1001).astype(np.float32))
    np.testing.assert_array_equal(elementwise("log1p")(x), x)


def test_rank_orders_and_comes_back():
    infinite = np.float32(np.inf)
    x = np.concatenate([[-infinite], -POSITIVE[::-1], [0.0], POSITIVE, [infinite]]).astype(np.float32)
    ranks = elementwise("rank")(x)
    assert ((np.diff(ranks.astype(np.int64)) > 0) == (np.diff(x) > 0)).all()
    np.testing.assert_array_equal(elementwise("from_rank")(ranks), x)
