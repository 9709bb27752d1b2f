"""The bound holds whatever the rest of the cell is, and nears the known share where the counts say it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lowdepth._ambient import largest_share
from lowdepth._ambient._largest_share import FEWEST_UMIS, LEVEL, _cumulants

N_CELLS = 1000


def mixed(share, ambient, rest, n_umis, *, n=N_CELLS, seed=1):
    """Draw cells with a known share of ambient RNA."""
    return np.random.default_rng(seed).multinomial(n_umis, share * ambient + (1 - share) * rest, size=n)


def ambient_of(n_genes, concentration=0.1, seed=0):
    """Draw a profile; the last five genes are never in ambient RNA."""
    return np.append(np.random.default_rng(seed).dirichlet(np.full(n_genes, concentration)), np.zeros(5))


def other_genes(n_genes):
    return np.append(np.zeros(n_genes), np.full(5, 0.2))


@pytest.mark.parametrize("n_umis", [1, 20, 100, 3000])
@pytest.mark.parametrize("n_genes", [1, 3, 20, 2000])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_one_cell_in_twenty_exceeds_the_bound_at_most(n_umis, n_genes, share):
    ambient = ambient_of(n_genes)
    # the worst rest is one that brings nothing of what ambient RNA brings
    bound = largest_share(mixed(share, ambient, other_genes(n_genes), n_umis), ambient)
    exceeded = int((bound < share - 1e-9).sum())
    # the normal approximation may be off by a fifth of the level
    assert stats.binomtest(exceeded, N_CELLS, 1.2 * LEVEL, alternative="greater").pvalue > 1e-3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 0.9]), st.sampled_from([30, 300, 3000]))
def test_the_bound_holds_for_any_rest(seed, share, n_umis):
    rng = np.random.default_rng(seed)
    ambient = rng.dirichlet(np.full(100, 0.2))
    rest = rng.dirichlet(np.where(rng.random(100) < 0.5, ambient * 100 + 0.01, 0.01))
    bound = largest_share(mixed(share, ambient, rest, n_umis, n=200, seed=seed), ambient)
    assert stats.binomtest(int((bound < share - 1e-9).sum()), 200, 1.2 * LEVEL, alternative="greater").pvalue > 1e-6


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_with_many_umis_the_bound_nears_the_share(share):
    ambient = ambient_of(50)
    bound = largest_share(mixed(share, ambient, other_genes(50), 100_000, n=50), ambient)
    assert share - 0.01 <= np.quantile(bound, 0.1)
    assert np.median(bound) <= share + 0.03


def test_with_many_umis_it_is_the_largest_share_that_is_part_of_the_cell():
    rng = np.random.default_rng(0)
    ambient, cell = rng.dirichlet(np.full(6, 3.0)), rng.dirichlet(np.full(6, 3.0))
    bound = largest_share(rng.multinomial(10**8, cell, size=3), ambient)
    # T(lambda) falls short in all genes together, so what one gene lacks alone is found by about its noise
    np.testing.assert_allclose(bound, (cell / ambient).min(), atol=0.02)


def test_few_umis_exclude_nothing():
    ambient = ambient_of(20)
    assert (largest_share(np.zeros((1, 25)), ambient) == 1).all()
    assert (largest_share(mixed(0.0, ambient, other_genes(20), int(FEWEST_UMIS)), ambient) == 1).all()
    assert largest_share(mixed(0.0, ambient, other_genes(20), 200), ambient).max() < 0.05


def test_deeper_cells_have_lower_bounds():
    ambient, rest = ambient_of(200), ambient_of(200, seed=1)
    means = [largest_share(mixed(0.2, ambient, rest, n, n=200), ambient).mean() for n in (20, 100, 500, 2500)]
    assert (np.diff(means) < 0).all()


@given(st.lists(st.floats(0.01, 60), min_size=1, max_size=5))
def test_cumulants_are_those_of_capped_poisson_counts(expected):
    expected = np.array(expected)
    counts = np.arange(200)
    chance = stats.poisson.pmf(counts, expected[:, np.newaxis])
    capped = np.minimum(counts, expected[:, np.newaxis])
    mean = (chance * capped).sum(axis=1)
    central = [(chance * (capped - mean[:, np.newaxis]) ** r).sum() for r in (2, 3)]
    np.testing.assert_allclose(_cumulants(expected), [mean.sum(), *central], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csc_array, sp.csr_array])
def test_containers_orders_and_scales_do_not_matter(container):
    ambient = ambient_of(50)
    cells = mixed(0.3, ambient, other_genes(50), 60, n=100)
    expected = largest_share(cells, ambient)
    assert len(np.unique(expected)) > 5
    np.testing.assert_array_equal(largest_share(container(cells.astype(np.float32)), 17 * ambient), expected)
    genes = np.random.default_rng(2).permutation(55)
    np.testing.assert_allclose(largest_share(cells[::-1, genes], ambient[genes])[::-1], expected, atol=0.0101)
    one_by_one = np.concatenate([largest_share(cell[np.newaxis], ambient) for cell in cells])
    np.testing.assert_array_equal(one_by_one, expected)
