"""Droplets whose share of ambient RNA is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from lowdepth._ambient import explain_by_ambient, type_profiles
from lowdepth._ambient._explained import CELLS_AT_A_TIME, LEVEL, SHARES

N_GENES = 200


@pytest.fixture(scope="module")
def profiles():
    """Ambient RNA, the mixture of three types, and these types."""
    types = np.random.default_rng(0).dirichlet(np.full(N_GENES, 0.3), size=3)
    return types.mean(axis=0), types


def droplets(profile, n_umis, n=2000, seed=1):
    return sp.csr_matrix(np.random.default_rng(seed).multinomial(n_umis, profile, size=n).astype(np.float32))


@pytest.mark.parametrize("n_umis", [1, 5, 20, 100, 500])
def test_empty_droplets_seldom_pass_for_cells(profiles, n_umis):
    ambient, types = profiles
    passed = ~explain_by_ambient(droplets(ambient, n_umis), 1e6 * types, ambient).only
    assert stats.binomtest(int(passed.sum()), 2000, LEVEL, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(("n_umis", "fewest"), [(1, 0.0), (50, 0.9), (200, 0.999)])
def test_cells_pass_once_they_have_umis(profiles, n_umis, fewest):
    ambient, types = profiles
    passed = ~explain_by_ambient(droplets(types[0], n_umis), 1e6 * types, ambient).only
    assert passed.mean() >= fewest
    assert passed.any() == (n_umis > 1)


@pytest.mark.parametrize("share", [0.0, 0.35, 0.8, 1.0])
def test_the_share_of_ambient_rna_is_found(profiles, share):
    ambient, types = profiles
    cells = droplets(share * ambient + (1 - share) * types[1], 20_000, n=20)
    found = explain_by_ambient(cells, 1e6 * types, ambient).share
    np.testing.assert_allclose(found, share, atol=0.06)


def test_the_share_and_the_evidence_are_those_of_the_definition(profiles):
    ambient, types = profiles
    cells = droplets(types[0], 8, n=30)
    found = explain_by_ambient(cells, types, ambient)
    every = np.vstack([ambient, types])
    every = 0.999 * every + 0.001 * every.mean(axis=0)
    for cell, share, only in zip(cells.toarray(), found.share, found.only, strict=True):
        likelihood = np.array([[np.prod((a * every[0] + (1 - a) * one) ** cell) for one in every[1:]] for a in SHARES])
        assert share == pytest.approx((likelihood.sum(axis=1) @ SHARES) / likelihood.sum(), rel=1e-4)
        evidence = (likelihood[:-1] / np.prod(every[0] ** cell)).mean()
        assert only == (evidence < 20)


def test_genes_that_no_profile_knows_say_nothing(profiles):
    ambient, types = profiles
    cells = droplets(types[0], 30, n=10)
    one = explain_by_ambient(cells, types, ambient)
    pad = np.zeros((4, 2))
    more = sp.csr_matrix(sp.hstack([cells, np.ones((10, 2))]))
    other = explain_by_ambient(more, np.hstack([types, pad[:3]]), np.append(ambient, [0, 0]))
    np.testing.assert_allclose(other.share, one.share)
    np.testing.assert_array_equal(other.only, one.only)


def test_four_times_the_cells_take_no_more_memory(profiles):
    ambient, types = profiles
    peaks = []
    for n_blocks in (1, 4):
        cells = droplets(types[0], 5, n=n_blocks * CELLS_AT_A_TIME - 1)
        tracemalloc.start()
        explain_by_ambient(cells, types, ambient)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_profiles_of_types_are_sums():
    counts = sp.csr_matrix(np.array([[1.0, 0], [2, 3], [4, 0]]))
    assert type_profiles(counts, np.array([2, 0, 2])).tolist() == [[2, 3], [5, 0]]
