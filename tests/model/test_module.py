"""The likelihood at counts only is the likelihood, and so are its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scvi.distributions import NegativeBinomial

from lowdepth.model._module import NonzeroNegativeBinomial


def parameters(n_obs, n_vars, *, depth, theta_shape, seed):
    rng = np.random.default_rng(seed)
    mu = rng.gamma(0.3, size=(n_obs, n_vars)) + 1e-6
    mu *= depth / mu.sum(axis=1, keepdims=True)
    counts = torch.tensor(rng.poisson(mu).astype(float))
    theta = rng.lognormal(size={"gene": n_vars, "gene and cell": (n_obs, n_vars)}[theta_shape])
    return counts, torch.tensor(mu, requires_grad=True), torch.tensor(theta, requires_grad=True)


@settings(deadline=None)
@given(
    n_obs=st.integers(1, 6),
    n_vars=st.integers(1, 30),
    depth=st.floats(1, 200_000),
    theta_shape=st.sampled_from(["gene", "gene and cell"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_scvi_tools_with_gradients(n_obs, n_vars, depth, theta_shape, seed):
    counts, mu, theta = parameters(n_obs, n_vars, depth=depth, theta_shape=theta_shape, seed=seed)
    results = []
    for likelihood in (NonzeroNegativeBinomial, NegativeBinomial):
        log_prob = likelihood(mu=mu, theta=theta).log_prob(counts)
        results.append([log_prob, *torch.autograd.grad(log_prob.sum(), [mu, theta])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_equals_scipy():
    counts, mu, theta = parameters(4, 50, depth=300, theta_shape="gene", seed=0)
    ours = NonzeroNegativeBinomial(mu=mu, theta=theta).log_prob(counts).detach()
    size, mean = theta.detach().numpy(), mu.detach().numpy()
    np.testing.assert_allclose(ours, stats.nbinom(size, size / (size + mean)).logpmf(counts), rtol=1e-5, atol=1e-6)


def test_several_samples_of_the_latent_go_the_upstream_way():
    counts, mu, theta = parameters(3, 8, depth=50, theta_shape="gene", seed=1)
    stacked = torch.stack([mu, 2 * mu])
    ours, theirs = (
        law(mu=stacked, theta=theta).log_prob(counts) for law in (NonzeroNegativeBinomial, NegativeBinomial)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_zero_counts(dtype):
    mu = torch.full((2, 3), 0.5, dtype=dtype)
    ours = NonzeroNegativeBinomial(mu=mu, theta=torch.ones(3, dtype=dtype)).log_prob(torch.zeros_like(mu))
    torch.testing.assert_close(ours, torch.full_like(mu, float(np.log(1 / 1.5))))
