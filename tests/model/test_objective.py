"""The objective's terms are those of scvi-tools, with their gradients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scvi.external.joint_embedding_scvi import _utils as theirs

from lowdepth.model._objective import centred_within, compare_views, cross_correlation, sample_keep, variance_hinge


def embeddings(n_obs, n_latent, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    full = rng.normal(size=(n_obs, n_latent)) * spread + rng.normal(size=n_latent)
    return [torch.tensor(z, requires_grad=True) for z in (full + 0.5 * rng.normal(size=full.shape), full)]


@settings(deadline=None)
@given(n_obs=st.integers(2, 40), n_latent=st.integers(1, 12), weight=st.floats(0, 10), seed=st.integers(0, 2**32 - 1))
def test_cross_correlation(n_obs, n_latent, weight, seed):
    views = embeddings(n_obs, n_latent, seed)
    ours = cross_correlation(*views)
    expected = theirs.cross_correlation_loss(*views, lambda_off_diag=weight, return_components=True)
    torch.testing.assert_close(ours.invariance, expected["invariance"])
    torch.testing.assert_close(ours.redundancy, expected["redundancy"])
    our_grads = torch.autograd.grad(ours.invariance + weight * ours.redundancy, views)
    torch.testing.assert_close(our_grads, torch.autograd.grad(expected["total"], views))


def test_cross_correlation_in_float32():
    views = [z.float() for z in embeddings(512, 32, seed=0)]
    ours, expected = cross_correlation(*views), theirs.cross_correlation_loss(*views, return_components=True)
    torch.testing.assert_close(ours.invariance, expected["invariance"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ours.redundancy, expected["redundancy"], rtol=1e-4, atol=1e-6)


@settings(deadline=None)
@given(batch=st.lists(st.integers(0, 6), min_size=1, max_size=40), seed=st.integers(0, 2**32 - 1))
def test_centring_within_batches_is_that_of_pandas(batch, seed):
    z, _ = embeddings(len(batch), 3, seed)
    means = pd.DataFrame(z.detach()).groupby(np.array(batch)).transform("mean")
    centred = centred_within(torch.tensor(batch), 7, z)
    torch.testing.assert_close(centred, z - torch.tensor(means.to_numpy()))
    # a batch's mean is no matter of the embedding's place: its cells' gradients sum up to zero
    (gradient,) = torch.autograd.grad((centred**2 + centred).exp().sum(), z)
    for code in set(batch):
        torch.testing.assert_close(gradient[torch.tensor(batch) == code].sum(0), torch.zeros_like(z[0]))


def test_batches_apart_say_nothing_of_the_views():
    views = [z.detach().float() for z in embeddings(400, 4, seed=0)]
    batch = torch.arange(400) % 3
    far = [z + 100.0 * batch[:, None] for z in views]
    within = [cross_correlation(*(centred_within(batch, 3, z) for z in pair)) for pair in (views, far)]
    torch.testing.assert_close(*within, rtol=1e-3, atol=1e-3)
    across = [cross_correlation(*pair) for pair in (views, far)]
    assert across[1].invariance < 0.01 * across[0].invariance


def test_views_are_compared_by_name():
    one, other = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
    parts = cross_correlation(one, other)
    assert compare_views(one, other, 0.5) == {
        "cco_loss": parts.invariance + 0.5 * parts.redundancy,
        "cco_invariance": parts.invariance,
        "cco_redundancy": parts.redundancy,
        "variance_loss": variance_hinge(torch.cat([one, other], dim=1)),
    }


def test_collapsed_dimensions_have_no_correlation():
    thin, full = torch.ones(10, 3), torch.ones(10, 3)
    assert cross_correlation(thin, full) == (3, 0)


@settings(deadline=None)
@given(n_obs=st.integers(1, 40), n_latent=st.integers(1, 12), spread=st.floats(0.01, 3), seed=st.integers(0, 2**32 - 1))
def test_variance_hinge(n_obs, n_latent, spread, seed):
    z, _ = embeddings(n_obs, n_latent, seed, spread)
    ours, expected = variance_hinge(z), theirs.variance_loss(z)
    torch.testing.assert_close(ours, expected)
    grads = [torch.autograd.grad(loss, z)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*grads, equal_nan=True)  # of one cell: the root of a variance of zero has no slope


@pytest.mark.parametrize("fewest", [1.0, 10.0, 500.0])
def test_keep_is_that_of_scvi_tools(fewest):
    total = torch.tensor(np.random.default_rng(0).integers(1, 100_000, 300), dtype=torch.float32)
    total[:5] = torch.tensor([1.0, 9.0, 10.0, 11.0, 499.0])
    torch.manual_seed(0)
    ours = sample_keep(total, fewest)
    torch.manual_seed(0)
    expected = theirs.sample_thinning_probs(total[:, None], fewest)[:, 0]
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)


def test_depth_is_log_uniform():
    torch.manual_seed(0)
    total = torch.full((100_000,), 5000.0)
    position = (total * sample_keep(total, 10)).div(10).log() / np.log(500)
    assert position.min() > -1e-6
    assert position.max() < 1 + 1e-6
    assert stats.kstest(position.double().numpy(), "uniform").pvalue > 1e-7


def test_cells_at_the_lowest_depth_or_below_stay_whole():
    torch.manual_seed(0)
    assert (sample_keep(torch.arange(0.0, 10.0), fewest=10) == 1).all()
    assert sample_keep(torch.tensor([10.0]), fewest=10).item() == pytest.approx(1, abs=1e-6)
    assert (sample_keep(torch.full((1000,), 11.0), fewest=10) < 1).float().mean() > 0.99
