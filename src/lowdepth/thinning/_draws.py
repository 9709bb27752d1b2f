"""One count in, one thinned count out: binomial and beta-binomial draws."""

from __future__ import annotations

from math import exp, floor, lgamma, log, log1p, sqrt

import numba
import numpy as np

from ._philox import uniform_pair

MANY = 10.0
"""Inversion takes n * p steps, rejection a constant number of dearer ones: from here on it is cheaper."""

LARGEST = 255
"""Last place of the tables: it stands for all counts from here on."""


@numba.njit(cache=True, nogil=True)
def tables(p: float) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate by count the probabilities that none, and that at most one, of its UMIs meets the rarer fate.

    A UMI is kept with probability ``p`` or lost. Where inversion is not the way to draw, the
    tables hold -1, which no uniform is below.
    """
    rarer = min(p, 1.0 - p)
    none, one = np.full(LARGEST + 1, -1.0), np.full(LARGEST + 1, -1.0)
    power = 1.0
    for n in range(LARGEST):
        if n * rarer >= MANY:
            break
        none[n], one[n] = power, power * (1.0 + n * rarer / (1.0 - rarer))
        power *= 1.0 - rarer
    return none, one


@numba.njit(cache=True, nogil=True, inline="always")
def look_up(n: int, p: float, u: float, none: np.ndarray, one: np.ndarray) -> int:
    """Give how many UMIs are kept where the tables tell, else -1; a loop over this becomes vector code."""
    place = min(n, LARGEST)
    k = int(u > none[place])
    kept = k if p <= 0.5 else n - k
    return kept if u <= one[place] else -1


@numba.njit(cache=True, nogil=True)
def draw_kept(
    n: int, p: float, u: float, none: np.ndarray, overdispersion: float, key: np.uint64, row: int, col: int
) -> int:
    """Draw how many of ``n`` UMIs of entry (row, col) are kept; ``u`` is the entry's first uniform."""
    if overdispersion > 0.0:
        return _urn(n, p, overdispersion, key, row, col)
    rarer = min(p, 1.0 - p)
    if n * rarer >= MANY:
        k = _reject(n, rarer, key, row, col)
    else:
        k = _walk(n, rarer, u, none[n] if n < LARGEST else exp(n * log1p(-rarer)))
    return k if p <= 0.5 else n - k


@numba.njit(cache=True, nogil=True)
def _walk(n: int, p: float, u: float, none: float) -> int:
    """Invert the binomial distribution function: walk up from zero, of probability ``none``, until it passes ``u``."""
    if u <= none:
        return 0
    odds = p / (1.0 - p)
    k = 1
    u -= none
    probability = none * odds * n
    while u > probability and k < n:
        u -= probability
        k += 1
        probability *= odds * (n - k + 1) / k
    return k


@numba.njit(cache=True, nogil=True)
def _reject(n: int, p: float, key: np.uint64, row: int, col: int) -> int:
    """Transformed rejection with squeeze.

    Algorithm BTRS of Hörmann, "The generation of binomial random variates", J. Stat.
    Comput. Simul. 46 (1993), for n * p >= 10 and p <= 0.5; the constants are its own.
    """
    spread = sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * spread
    squeeze = 0.92 - 4.2 / b
    log_odds = log(p / (1.0 - p))
    mode = floor((n + 1) * p)
    log_mode = lgamma(mode + 1.0) + lgamma(n - mode + 1.0)
    attempt = 0
    while True:
        u, v = uniform_pair(key, row, col, attempt)
        attempt += 1
        u -= 0.5
        distance = 0.5 - abs(u)
        k = floor((2.0 * a / distance + b) * u + n * p + 0.5)
        if k < 0 or k > n:
            continue
        if distance >= 0.07 and v <= squeeze:
            return int(k)
        log_ratio = log_mode - lgamma(k + 1.0) - lgamma(n - k + 1.0) + (k - mode) * log_odds
        if log(v * alpha / (a / (distance * distance) + b)) <= log_ratio:
            return int(k)


@numba.njit(cache=True, nogil=True)
def _urn(n: int, p: float, overdispersion: float, key: np.uint64, row: int, col: int) -> int:
    """Draw BetaBinomial(n, p / overdispersion, (1 - p) / overdispersion) from Pólya's urn, UMI by UMI."""
    k = 0
    for i in range(n):
        u, _ = uniform_pair(key, row, col, i)
        if u * (1.0 + i * overdispersion) < p + k * overdispersion:
            k += 1
    return k
