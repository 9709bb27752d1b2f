"""The random streams: the published answers, and uniforms that show no pattern."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from scipy import stats

from lowdepth.thinning._philox import philox4x32, uniform_pair

KEY = np.uint64(20260211)

# kat_vectors of Random123; the key's first word is the lower half of our 64 bits
KNOWN_ANSWERS = {
    "zeros": ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    "ones": ((0xFFFFFFFF,) * 4, 0xFFFFFFFFFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    "pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}


@numba.njit
def uniform_matrix(key, n_rows, n_cols, draw):
    first, second = np.empty((n_rows, n_cols)), np.empty((n_rows, n_cols))
    for row in range(n_rows):
        for col in range(n_cols):
            first[row, col], second[row, col] = uniform_pair(key, row, col, draw)
    return first, second


@numba.njit
def compiled_philox(c0, c1, c2, c3, key):
    return philox4x32(c0, c1, c2, c3, key)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS.values(), ids=KNOWN_ANSWERS)
def test_known_answers(counter, key, answer):
    assert compiled_philox(*map(np.uint64, counter), np.uint64(key)) == answer


def test_uniforms_are_uniform():
    # seven tests at 1e-6: a correct generator with a random key fails once in 100,000 runs
    for draw in (0, 1, 7):
        for uniforms in uniform_matrix(KEY, 300, 300, draw):
            assert 0 < uniforms.min() < uniforms.max() < 1
            assert stats.kstest(uniforms.ravel(), "uniform").pvalue > 1e-6
    # the lower bits too
    assert stats.kstest((uniform_matrix(KEY, 300, 300, 0)[0].ravel() * 2**26) % 1, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("pair", ["cells", "genes", "draws", "keys", "halves", "high words of the row"])
def test_neighbours_are_independent(pair):
    n = 400
    one, half = uniform_matrix(KEY, n, n, 0)
    other = {
        "cells": np.roll(one, 1, axis=0),
        "genes": np.roll(one, 1, axis=1),
        "draws": uniform_matrix(KEY, n, n, 1)[0],
        "keys": uniform_matrix(KEY + np.uint64(1), n, n, 0)[0],
        "halves": half,
        "high words of the row": far_rows(KEY, n),
    }[pair]
    # the correlation of 160,000 pairs has a standard error of 1 / n; five of them are passed once in 1.7 million runs
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / n
    # and their joint law on a grid of 10 x 10, at 1e-6
    joint = np.histogram2d(one.ravel(), other.ravel(), bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(joint.ravel()).pvalue > 1e-6


@numba.njit
def far_rows(key, n):
    out = np.empty((n, n))
    for row in range(n):
        for col in range(n):
            out[row, col] = uniform_pair(key, row + 2**32, col, 0)[0]
    return out
