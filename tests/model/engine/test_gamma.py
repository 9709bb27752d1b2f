"""Gamma functions at counts, against scipy and against plain sums."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import digamma, gammaln

from lowdepth.model.engine._gamma import FEW, FEWEST, _digamma, log_factorial, rising_log_gamma

thetas = st.floats(np.log(1e-4), np.log(1e6)).map(np.exp)


def elementwise(function):
    @numba.vectorize
    def apply(x):
        return function(x)

    return apply


def test_log_factorial():
    x = np.concatenate([np.arange(1000), [10_000, 200_000, 10_000_000]]).astype(np.float32)
    ours = elementwise(log_factorial)(x)
    np.testing.assert_allclose(ours, gammaln(x.astype(np.float64) + 1), rtol=1e-14)


def test_digamma():
    x = np.geomspace(1e-4, 1e7, 10_001)
    np.testing.assert_allclose(elementwise(_digamma)(x), digamma(x), rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=500)
@given(
    x=st.one_of(st.integers(0, FEW + 2), st.integers(0, 2000)),
    theta=st.one_of(thetas, st.sampled_from([1e-4, 1.0, 1e6])),
)
@example(x=FEWEST, theta=1e6)
@example(x=FEW, theta=1e6)
@example(x=FEW, theta=1e-4)
def test_rising_log_gamma_is_a_sum_over_umis(x, theta):
    terms = theta + np.arange(x)
    value, slope = rising_log_gamma(np.float32(x), theta)
    # a product of few factors goes through a float32 logarithm: half a unit in the last place of its argument
    assert value == pytest.approx(np.log(terms).sum(), rel=3e-7, abs=1.5e-7)
    assert slope == pytest.approx((1 / terms).sum(), rel=1e-9, abs=1e-11)


@settings(deadline=None)
@given(x=st.integers(0, 200_000), theta=thetas)
def test_rising_log_gamma_is_that_of_scipy(x, theta):
    value, slope = rising_log_gamma(np.float32(x), theta)
    # the subtraction of two large logarithms costs scipy some places too
    largest = abs(gammaln(theta + x)) + abs(gammaln(theta))
    assert value == pytest.approx(gammaln(theta + x) - gammaln(theta), rel=3e-7, abs=1.5e-7 + 1e-14 * largest)
    assert slope == pytest.approx(digamma(theta + x) - digamma(theta), rel=1e-9, abs=1e-9)


def test_theta_in_float32():
    # theta is a float32 in training; the sums are made in float64 all the same
    value, slope = rising_log_gamma(np.float32(100), np.float32(0.3))
    terms = np.float64(np.float32(0.3)) + np.arange(100)
    assert value == pytest.approx(np.log(terms).sum(), rel=1e-12)
    assert slope == pytest.approx((1 / terms).sum(), rel=1e-11)
