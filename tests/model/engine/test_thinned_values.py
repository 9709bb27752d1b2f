"""The law of the thinned minibatch, by the probability integral transform.

A draw k from a law with distribution function F, put as F(k - 1) + V (F(k) - F(k - 1)) with V
uniform, is uniform itself, whatever the count and the probability: one test for all entries
together. Each test alarms falsely with probability ALPHA; the seed is fixed.
"""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy import stats

from lowdepth.model.engine import take_rows, thinned_values
from lowdepth.model.engine._thinned_values import _thin_by_umi

ALPHA = 1e-7
COUNTS = {
    "ones": [1],
    "small": [1, 2, 3, 5, 9],
    "around the tables": [20, 100, 254, 255, 256],
    "large": [1_000, 20_000, 150_000],
}


def cells_of(counts, n_obs=400, n_vars=100):
    rng = np.random.default_rng(0)
    x = rng.choice(counts, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.5)
    return take_rows(sp.csr_array(x.astype(np.float32)), np.arange(n_obs))


def by_cell(cells, keep):
    return thinned_values(cells, keep)


def by_umi(cells, keep):
    return _thin_by_umi(cells.values, keep[cells.rows])


def keeps(n_obs):
    return torch.tensor(np.random.default_rng(1).uniform(0.001, 0.999, n_obs), dtype=torch.float32)


def transform(thinned, cells, keep):
    """Give a number per entry that is uniform if the draw follows its law."""
    k, n, p = thinned.double().numpy(), cells.values.numpy(), keep[cells.rows].double().numpy()
    law = stats.binom(n, p)
    return law.cdf(k - 1) + np.random.default_rng(2).random(len(k)) * law.pmf(k)


draws = pytest.mark.parametrize("draw", [by_cell, by_umi])


@draws
@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_law(draw, counts):
    # a coin for each UMI takes memory by the UMI
    cells = cells_of(counts, *((40, 20) if draw is by_umi and counts[0] >= 1000 else (400, 100)))
    keep = keeps(cells.n_obs)
    torch.manual_seed(0)
    thinned = draw(cells, keep)
    assert thinned.dtype == torch.float32
    assert thinned.shape == cells.values.shape
    assert ((thinned >= 0) & (thinned <= cells.values) & (thinned == thinned.round())).all()
    uniforms = transform(thinned, cells, keep)
    assert stats.kstest(uniforms, "uniform").pvalue > ALPHA
    # the tails, which that test hardly sees: under the law the normal scores have variance 1
    scores = stats.norm.ppf(uniforms)
    assert abs((scores**2).mean() - 1) < 5.5 * np.sqrt(2 / len(scores))


@draws
def test_the_law_test_can_fail(draw):
    cells, keep = cells_of(COUNTS["around the tables"]), keeps(400)
    torch.manual_seed(0)
    assert stats.kstest(transform(draw(cells, keep * 0.98), cells, keep), "uniform").pvalue < ALPHA


@draws
def test_all_or_nothing(draw):
    cells = cells_of([1, 3, 30, 300, 3000], 60, 20)
    keep = torch.arange(60) % 2 * 1.0
    np.testing.assert_array_equal(draw(cells, keep), cells.values * keep[cells.rows])


@draws
def test_stored_zeros_stay_zeros(draw):
    matrix = sp.csr_array((np.array([0.0, 4.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    cells = take_rows(matrix, np.array([0]))
    assert draw(cells, torch.ones(1)).tolist() == [0, 4]
    assert draw(cells, torch.full((1,), 0.5))[0] == 0


@draws
def test_entries_are_independent(draw):
    n_obs, n_vars = 4000, 12
    cells = take_rows(sp.csr_array(np.full((n_obs, n_vars), 8, np.float32)), np.arange(n_obs))
    keep = torch.full((n_obs,), 0.4)
    torch.manual_seed(0)
    one, other = (draw(cells, keep).numpy().reshape(n_obs, n_vars) for _ in range(2))
    # 276 pairs of columns, the same gene in the next minibatch among them: six standard errors
    correlations = np.corrcoef(np.hstack([one, other]).T)[np.triu_indices(2 * n_vars, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(n_obs)
    # a cell and the next one
    pairs = np.corrcoef(one[:-1].ravel(), one[1:].ravel())[0, 1]
    assert abs(pairs) < 6 / np.sqrt(one.size)


@draws
def test_follows_torchs_seed(draw):
    cells, keep = cells_of(COUNTS["small"]), keeps(400)
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(draw(cells, keep))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert not torch.equal(results[2], draw(cells, keep))  # the next minibatch loses others


def test_the_cells_are_left_as_they_were():
    cells, keep = cells_of(COUNTS["small"]), keeps(400)
    values, probabilities = cells.values.clone(), keep.clone()
    assert (thinned_values(cells, keep) < values).any()
    assert torch.equal(cells.values, values)
    assert torch.equal(keep, probabilities)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_as_many_threads_as_one_likes():
    cells, keep = cells_of(COUNTS["around the tables"]), keeps(400)
    before, results = numba.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(n_threads)
            torch.manual_seed(0)
            results.append(thinned_values(cells, keep))
    finally:
        numba.set_num_threads(before)
    assert torch.equal(*results)
