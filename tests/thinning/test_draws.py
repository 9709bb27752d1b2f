"""The law of the draws, against scipy's distribution functions.

Each chi-square test alarms falsely with probability ALPHA; all of them together, were the
key drawn anew, less than once in 100,000 runs. The key is fixed, so a run is repeatable.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from lowdepth.thinning import thin_counts

KEY = np.uint64(8_711_704)
N_VARS = 500
ALPHA = 1e-7

BINOMIALS = [
    # inversion, within the tables
    (1, 0.3),
    (1, 0.8),
    (2, 0.5),
    (7, 0.01),
    (19, 0.5),
    (30, 0.95),
    (100, 0.05),
    (255, 0.039),
    # inversion, counts beyond the tables
    (254, 0.001),
    (255, 0.001),
    (256, 0.001),
    (256, 0.999),
    (1_000, 0.0099),
    (100_000, 1e-5),
    (1_000_000, 2e-6),
    (1_000_000, 1 - 2e-6),
    # rejection, from its border n * p = 10 on
    (20, 0.5),
    (21, 0.51),
    (100, 0.1),
    (255, 0.04),
    (255, 0.96),
    (300, 0.3),
    (1_000, 0.7),
    (100_000, 1e-4),
    (1_000_000, 0.25),
    (1_000_000, 0.999),
]

BETA_BINOMIALS = [(1, 0.3, 0.5), (5, 0.5, 2.0), (12, 0.1, 0.3), (40, 0.7, 0.05), (40, 0.5, 20.0), (300, 0.5, 0.01)]


def draws(n, p, overdispersion=0.0):
    n_obs = 200 if overdispersion else 2000  # the urn takes one step for each UMI
    counts = np.full((n_obs, N_VARS), n)
    return thin_counts(counts, np.full(n_obs, p), KEY, overdispersion=np.full(N_VARS, overdispersion))


def p_value(sample, law):
    """Compare with a chi-square test over bins that expect at least 10 draws each."""
    edges = np.unique(law.ppf(np.linspace(0, 1, 51)[1:-1]).astype(np.int64))
    edges = np.concatenate([[-np.inf], edges, [np.inf]])
    while True:
        expected = np.diff(law.cdf(edges)) * sample.size
        if len(edges) == 2 or expected.min() >= 10:
            break
        smallest = expected.argmin()
        edges = np.delete(edges, smallest + 1 if smallest == 0 else smallest)
    observed = np.histogram(sample, np.nextafter(edges, np.inf))[0]
    return stats.chisquare(observed, expected).pvalue


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
def test_binomial_law(n, p):
    sample = draws(n, p)
    assert sample.min() >= 0
    assert sample.max() <= n
    assert p_value(sample, stats.binom(n, p)) > ALPHA


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
def test_binomial_mean_and_variance(n, p):
    # the bins of the chi-square test say little about the tails; these do. 52 tests at 5.5 standard errors (4e-8)
    sample = draws(n, p).astype(float)
    mean, variance, excess = stats.binom.stats(n, p, moments="mvk")
    assert abs(sample.mean() - mean) < 5.5 * np.sqrt(variance / sample.size)
    error = variance * np.sqrt((excess + 2) / sample.size)
    assert abs(np.mean((sample - mean) ** 2) - variance) < 5.5 * error


@pytest.mark.parametrize(("n", "p", "overdispersion"), BETA_BINOMIALS)
def test_beta_binomial_law(n, p, overdispersion):
    law = stats.betabinom(n, p / overdispersion, (1 - p) / overdispersion)
    assert p_value(draws(n, p, overdispersion), law) > ALPHA


@pytest.mark.parametrize(("n", "p"), [(5, 0.3), (100, 0.05), (300, 0.3), (1_000_000, 2e-6)])
def test_the_law_test_can_fail(n, p):
    assert p_value(draws(n, p), stats.binom(n, p * 1.05)) < ALPHA


def test_a_binomial_is_no_beta_binomial():
    assert p_value(draws(40, 0.7), stats.betabinom(40, 0.7 / 0.05, 0.3 / 0.05)) < ALPHA
    assert p_value(draws(40, 0.7, 0.05), stats.binom(40, 0.7)) < ALPHA


@pytest.mark.parametrize(
    ("n", "overdispersion"),
    [(1, 0), (20, 0), (255, 0), (256, 0), (1000, 0), (100_000, 0), (1, 0.5), (20, 0.5), (256, 0.5)],
)
def test_all_or_nothing(n, overdispersion):
    assert (draws(n, 0.0, overdispersion) == 0).all()
    assert (draws(n, 1.0, overdispersion) == n).all()


def test_no_overdispersion_is_the_binomial_draw():
    counts = np.random.default_rng(0).poisson(20, (50, 40))
    keep = np.linspace(0, 1, 50)
    plain = thin_counts(counts, keep, KEY)
    np.testing.assert_array_equal(plain, thin_counts(counts, keep, KEY, overdispersion=np.zeros(40)))
    assert (plain != thin_counts(counts, keep, KEY, overdispersion=np.full(40, 0.5))).any()


def test_overdispersion_belongs_to_its_gene():
    overdispersion = np.zeros(30)
    overdispersion[7] = 1.0
    counts = sp.csr_array(np.random.default_rng(0).poisson(5, (50, 30)))
    plain = thin_counts(counts, np.full(50, 0.5), KEY).toarray()
    other = thin_counts(counts, np.full(50, 0.5), KEY, overdispersion=overdispersion).toarray()
    assert (plain != other).any(axis=0).nonzero()[0].tolist() == [7]


def test_keep_belongs_to_its_cell():
    # 25 probabilities at once: every row follows its own law, at 1e-7 each
    keep = np.linspace(0.02, 0.98, 25)
    sample = thin_counts(np.full((25, 4000), 30, np.float32), keep, KEY)
    for row, p in zip(sample, keep, strict=True):
        assert p_value(row, stats.binom(30, p)) > ALPHA
