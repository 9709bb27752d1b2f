"""What references show beyond what is decoded from them, against counts by hand and known ratios."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
from helpers import counts_adata
from hypothesis import given, settings
from hypothesis import strategies as st
from refined_cells import LOW_UMI, train

from lowdepth._blocked_counts import BlockedCounts
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._refinement._profile_likelihood import Profiles
from lowdepth.tl._refinement._residuals import CELLS_PER_POOL, Pools, Residuals, pool


@pytest.fixture(scope="module")
def adata():
    return counts_adata(120)


@pytest.fixture(scope="module")
def model(adata):
    return train(adata, gene_likelihood="nb")


@pytest.fixture(scope="module")
def rows(adata):
    return np.flatnonzero(np.asarray(adata.X.sum(1)).ravel() >= LOW_UMI)


@pytest.fixture(scope="module")
def shares(adata, model, rows):
    """Give what scvi-tools decodes for each reference in its own batch."""
    latent = torch.from_numpy(model.get_latent_representation()[rows])
    batch = torch.from_numpy(adata.obs["batch"].cat.codes.to_numpy()[rows].astype(np.int64))[:, None]
    with torch.no_grad():
        decoded = model.module.generative(latent, library=torch.zeros(len(rows), 1), batch_index=batch)["px"]
    return decoded.get_normalized("scale").double().numpy()


def pooled(adata, model, rows):
    cells = ModelCells.of(adata, model, None)
    return pool(cells, model, rows, model.get_latent_representation()[rows], seed=0)


def test_pools_are_sums_over_their_references(adata, model, rows, shares):
    pools = pooled(adata, model, rows)
    counts = adata.X[rows].toarray()
    assert len(rows) / CELLS_PER_POOL <= pools.observed.shape[1] + 1
    assert abs(pools.half.sum() * 2 - len(rows)) <= 1
    for half in (0, 1):
        for number in range(pools.observed.shape[1]):
            own = (pools.half == half) & (pools.pool.numpy() == number)
            np.testing.assert_array_equal(pools.observed[half, number], counts[own].sum(0))
            expected = (shares[own] * counts[own].sum(1, keepdims=True)).sum(0)
            np.testing.assert_allclose(pools.expected[half, number], expected, rtol=1e-3, atol=1e-5)


def test_counts_of_the_other_half_are_likelier(adata, model, rows, shares):
    pools = pooled(adata, model, rows)
    counts = adata.X[rows].toarray()
    for half in (0, 1):
        profiles = [Profiles(torch.from_numpy(shares).float(), None)]
        corrected = next(pools.residuals(half).applied(profiles)).share.double().numpy()
        other = pools.half != half
        gain = (counts * (np.log(corrected) - np.log(shares)))[other].sum(1)
        assert gain.mean() > 3 * gain.std(ddof=1) / len(gain) ** 0.5


def test_pools_do_not_depend_on_the_portions(adata, model, rows, monkeypatch):
    """The cells of a portion may all be of one batch."""
    monkeypatch.setattr("lowdepth._blocked_counts.CELLS_AT_A_TIME", 5)
    monkeypatch.setattr("lowdepth._blocked_counts.UMIS_AT_A_TIME", 1)
    cells = ModelCells.of(adata, model, None)
    order = np.argsort(adata.obs["batch"].cat.codes.to_numpy()[rows], kind="stable")
    by_batch, latent = cells.take(rows[order]), model.get_latent_representation()[rows[order]]
    blocked = by_batch._replace(counts=BlockedCounts.of(da.from_array(by_batch.counts, chunks=(7, -1))))
    expected, found = (pool(part, model, np.arange(len(rows)), latent, seed=0) for part in (by_batch, blocked))
    np.testing.assert_array_equal(found.pool, expected.pool)
    np.testing.assert_array_equal(found.observed, expected.observed)
    np.testing.assert_allclose(found.expected, expected.expected, rtol=1e-5, atol=1e-6)


def drawn(concentration, expected, n_pools, n_vars, seed):
    """Draw pools whose ratios have a gamma distribution with mean one."""
    rng = np.random.default_rng(seed)
    ratio = rng.gamma(concentration, 1 / concentration, (n_pools, n_vars))
    observed = torch.from_numpy(rng.poisson(ratio * expected, (2, n_pools, n_vars)).astype(np.float32))
    return ratio, Pools(torch.arange(n_pools), np.zeros(n_pools), observed, torch.full_like(observed, expected))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([2.0, 10.0, 50.0]), st.sampled_from([1.0, 10.0, 100.0]), st.integers(0, 2**32 - 1))
def test_concentration_is_that_of_the_ratios(a, mean, seed):
    n = 40 * 500
    _, pools = drawn(a, mean, 40, 500, seed)
    # moments of the product of two Poisson deviations with a common gamma rate
    fourth, third, second = 3 / a**2 + 6 / a**3, 1 / a + 2 / a**2, 1 + 1 / a
    variance = mean**4 * (fourth - 1 / a**2) + 2 * mean**3 * third + mean**2 * second
    error = (variance / n) ** 0.5 / mean**2
    assert abs(1 / pools.concentration - 1 / a) < 6 * error or (pools.concentration == np.inf and 1 / a < 6 * error)


@pytest.mark.parametrize("a", [5.0, 50.0])
def test_factors_are_nearer_to_the_ratios_than_one_and_than_the_quotients(a):
    ratio, pools = drawn(a, 20.0, 40, 500, 0)
    found = pools.residuals().multiplied(torch.ones(40, 500), 0).numpy()
    error = ((found - ratio) ** 2).mean()
    quotients = (pools.observed.sum(0) / pools.expected.sum(0)).numpy()
    assert error < 0.95 * min(((ratio - 1) ** 2).mean(), ((quotients - ratio) ** 2).mean())
    posterior = (pools.observed.sum(0).numpy() + a) / (40 + a)
    np.testing.assert_allclose(found, posterior, atol=0.05)


def test_one_half_alone():
    _, pools = drawn(5.0, 20.0, 3, 40, 0)
    a = pools.concentration
    for half in (0, 1):
        found = pools.residuals(half).multiplied(torch.ones(3, 40), 0)
        np.testing.assert_allclose(found, (pools.observed[half] + a) / (20 + a), rtol=1e-5)


def test_halves_that_do_not_agree_leave_profiles_as_they_are():
    expected = torch.full((2, 3, 4), 5.0)
    deviation = torch.tensor([2.0, -1.0, 0.5, -1.5])
    observed = expected + torch.stack([deviation, -deviation])[:, None]
    pools = Pools(torch.zeros(6).long(), np.arange(6) % 2, observed, expected)
    assert pools.concentration == np.inf
    share = torch.rand(6, 4)
    assert torch.equal(pools.residuals().multiplied(share, 0), share)
    assert torch.equal(pools.residuals(1).multiplied(share, 0), share)


def test_one_reference(adata, model, rows):
    pools = pooled(adata, model, rows[:1])
    share = torch.rand(1, adata.n_vars)
    assert torch.equal(pools.residuals().multiplied(share, 0), share)


def test_each_reference_has_the_factors_of_its_pool():
    ratio = torch.tensor([[1.0, 3.0], [4.0, 1.0]])
    residuals = Residuals(ratio, torch.tensor([1, 0, 1]))
    blocks = [Profiles(torch.full((2, 2), 0.5), None), Profiles(torch.full((1, 2), 0.5), None)]
    found = torch.cat([share for share, _ in residuals.applied(iter(blocks))])
    np.testing.assert_allclose(found, [[0.8, 0.2], [0.25, 0.75], [0.8, 0.2]], rtol=1e-6)
