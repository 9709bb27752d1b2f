"""Gamma functions at counts: most counts are ones, twos and threes, for which a product will do."""

from __future__ import annotations

import math
from math import lgamma

import numba
import numpy as np
from scipy.special import gammaln

from ._fast_math import log

FEW, FEWEST = 16, 4
"""Up to these counts a product of so many factors is quicker than gamma functions, and its float32 cannot overflow."""

_LOG_FACTORIALS = gammaln(np.arange(1, 257))


@numba.njit(nogil=True)
def log_factorial(x: float) -> float:
    """Give log(x!)."""
    return _LOG_FACTORIALS[int(x)] if x < len(_LOG_FACTORIALS) else lgamma(x + 1.0)


@numba.njit(nogil=True, error_model="numpy")
def rising_log_gamma(x: float, theta: float) -> tuple[float, float]:
    """Give log(Gamma(theta + x) / Gamma(theta)) and its derivative by theta, for a whole number x."""
    theta = np.float64(theta)
    if x > FEW:
        return lgamma(theta + x) - lgamma(theta), _digamma(theta + x) - _digamma(theta)
    product, slope = 1.0, 0.0
    for k in range(int(x)):
        product *= theta + k
        slope += 1.0 / (theta + k)
    return (log(np.float32(product)) if x <= FEWEST else math.log(product)), slope


@numba.njit(nogil=True, error_model="numpy")
def _digamma(x: float) -> float:
    """Give the derivative of log(Gamma): recurrence up to 6, from there the asymptotic series.

    Abramowitz & Stegun, "Handbook of mathematical functions", 6.3.5 and 6.3.18.
    """
    shift = 0.0
    for _ in range(6):  # a loop until x is large never ends on a NaN, under the flags of those who call this
        if x < 6.0:
            shift -= 1.0 / x
            x += 1.0
    square = 1.0 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return shift + math.log(x) - 0.5 / x - series
