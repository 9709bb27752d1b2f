"""Exponential, logarithm and sum in a form that the compiler turns into vector code.

Polynomials of the Cephes library (Moshier, netlib.org/cephes, ``expf`` and ``logf``), accurate
to about one unit in the last place of a float32.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

IN_ORDER = {"contract", "nnan", "ninf", "nsz", "arcp", "afn"}
"""All of numba's ``fastmath`` but the reordering of sums. A function that numba has just compiled was optimised once,
one that a later process reads from the cache twice, and a sum that may be reordered then rounds differently."""

LANES = 512
"""Sums kept side by side, a power of two: so many that the compiler's look at whether arrays overlap costs nothing."""

_LOG2_E = np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SQRT_HALF_BITS, _MAGNITUDE = np.int32(0x3F3504F3), np.int32(0x7FFFFFFF)
_MANTISSA, _MANTISSA_BITS, _BIAS = np.int32(0x7FFFFF), np.int32(23), np.int32(127)
_HALF, _ONE, _LOWEST = np.float32(0.5), np.float32(1), np.float32(-60)


@intrinsic
def _bits(_context: Any, _x: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@intrinsic
def _from_bits(_context: Any, _i: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@numba.njit(nogil=True, inline="always")
def rank(x: np.float32) -> np.int32:
    """Give an integer that orders as x does: the compiler knows the maximum of integers as vector code."""
    bits = _bits(x)
    return np.int32(bits ^ ((bits >> np.int32(31)) & _MAGNITUDE))


@numba.njit(nogil=True, inline="always")
def from_rank(i: np.int32) -> np.float32:
    """Give the x of this rank."""
    return _from_bits(np.int32(i ^ ((i >> np.int32(31)) & _MAGNITUDE)))


@numba.njit(nogil=True)
def vector_sum(x: np.ndarray) -> np.float32:
    """Give the sum, as vector code whose order of additions is written down."""
    lanes = np.zeros(LANES, np.float32)
    for start in range(0, len(x), LANES):
        part = x[start : start + LANES]
        for lane in range(len(part)):
            lanes[lane] += part[lane]
    width = LANES
    while width > 1:
        width //= 2
        for lane in range(width):
            lanes[lane] += lanes[width + lane]
    return lanes[0]


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy", inline="always")
def exp(x: np.float32) -> np.float32:
    """Give e**x for x <= 88; below -60, where nothing is left to add to a sum with a one in it, e**-60."""
    x = max(x, _LOWEST)
    n = np.floor(x * _LOG2_E + _HALF)
    x = x - n * _LN2_HIGH - n * _LN2_LOW
    y = np.float32(1.9875691500e-4)
    y = y * x + np.float32(1.3981999507e-3)
    y = y * x + np.float32(8.3334519073e-3)
    y = y * x + np.float32(4.1665795894e-2)
    y = y * x + np.float32(1.6666665459e-1)
    y = y * x + np.float32(5.0000001201e-1)
    return (y * x * x + x + _ONE) * _from_bits((np.int32(n) + _BIAS) << _MANTISSA_BITS)


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy", inline="always")
def log1p(x: np.float32) -> np.float32:
    """Give log(1 + x) for x >= 0, exact where x is tiny, as the mean of most genes in most cells is."""
    bits = _bits(_ONE + x) - _SQRT_HALF_BITS
    exponent = bits >> _MANTISSA_BITS
    mantissa = _from_bits((bits & _MANTISSA) + _SQRT_HALF_BITS) - _ONE
    # with an exponent of zero 1 + x needs no scaling and the mantissa is x; a branch would cost more than the rest
    unscaled = (exponent - np.int32(1)) >> np.int32(31)
    return _log(_from_bits((_bits(x) & unscaled) | (_bits(mantissa) & ~unscaled)), np.float32(exponent))


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy", inline="always")
def log(x: np.float32) -> np.float32:
    """Give log(x) for normal x > 0."""
    bits = _bits(x) - _SQRT_HALF_BITS
    return _log(_from_bits((bits & _MANTISSA) + _SQRT_HALF_BITS) - _ONE, np.float32(bits >> _MANTISSA_BITS))


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy", inline="always")
def _log(m: np.float32, exponent: np.float32) -> np.float32:
    """Give log((1 + m) * 2**exponent) for 1 + m between the roots of 1/2 and 2."""
    square = m * m
    y = np.float32(7.0376836292e-2)
    y = y * m - np.float32(1.1514610310e-1)
    y = y * m + np.float32(1.1676998740e-1)
    y = y * m - np.float32(1.2420140846e-1)
    y = y * m + np.float32(1.4249322787e-1)
    y = y * m - np.float32(1.6668057665e-1)
    y = y * m + np.float32(2.0000714765e-1)
    y = y * m - np.float32(2.4999993993e-1)
    y = y * m + np.float32(3.3333331174e-1)
    y = y * m * square + exponent * _LN2_LOW - _HALF * square
    return m + y + exponent * _LN2_HIGH
