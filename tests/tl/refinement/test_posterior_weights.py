"""Bayes' rule over references, against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from lowdepth.tl._refinement._posterior_weights import largest, posterior


@settings(max_examples=50, deadline=None)
@given(
    n_cells=st.integers(1, 20),
    n_references=st.integers(1, 200),
    temperature=st.floats(0.1, 10),
    spread=st.floats(0, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_numpy(n_cells, n_references, temperature, spread, seed):
    rng = np.random.default_rng(seed)
    score = (spread * rng.standard_normal((n_cells, n_references))).astype(np.float32)
    weight = rng.integers(1, 100, n_references)
    latent = rng.standard_normal((n_references, 3)).astype(np.float32)
    observed = posterior(
        torch.from_numpy(score),
        torch.from_numpy(np.log(weight)).float(),
        torch.from_numpy(latent),
        temperature=temperature,
    )
    expected = softmax(score.astype(np.float64) / temperature + np.log(weight), axis=1)
    # a score divided by the temperature is rounded at its own size, and so are weights in relation to it
    rounding = 10 * np.finfo(np.float32).eps * (1 + np.abs(score).max() / temperature)
    np.testing.assert_allclose(observed.weights, expected, rtol=rounding, atol=rounding)
    np.testing.assert_allclose(observed.mean, expected @ latent, atol=rounding * np.abs(latent).sum())
    np.testing.assert_allclose(observed.n_references, 1 / (expected**2).sum(1), rtol=10 * rounding)
    np.testing.assert_allclose(
        observed.entropy, scipy.stats.entropy(expected, axis=1), atol=n_references * 20 * rounding
    )


def test_a_weight_of_two_is_the_reference_twice():
    score, latent = torch.tensor([[1.0, 0.5, -2.0]]), torch.tensor([[0.0], [1.0], [3.0]])
    twice = torch.tensor([0, 1, 1, 2])
    once = posterior(score, torch.tensor([1.0, 2.0, 1.0]).log(), latent, temperature=1)
    spelled_out = posterior(score[:, twice], torch.zeros(4), latent[twice], temperature=1)
    torch.testing.assert_close(once.mean, spelled_out.mean)


@pytest.mark.parametrize("n_references", [1, 7, 500])
def test_equal_likelihoods_spread_over_all_references(n_references):
    result = posterior(
        torch.zeros(2, n_references), torch.zeros(n_references), torch.ones(n_references, 1), temperature=1
    )
    np.testing.assert_allclose(result.n_references, n_references, rtol=1e-5)
    np.testing.assert_allclose(result.entropy, np.log(n_references), rtol=1e-5)


def test_certainty_has_no_entropy():
    result = posterior(torch.tensor([[0.0, -1e30, -500.0]]), torch.zeros(3), torch.eye(3), temperature=1)
    assert result.entropy.item() == 0
    assert not torch.signbit(result.entropy).any()
    assert result.n_references.item() == 1
    assert result.mean.tolist() == [[1, 0, 0]]


def test_largest_weights_sum_up_to_one():
    weights = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(50), 20))
    kept, reference = largest(weights, 5)
    torch.testing.assert_close(kept.sum(1), torch.ones(20, dtype=torch.float64))
    order = np.argsort(-weights.numpy(), axis=1)[:, :5]
    np.testing.assert_array_equal(reference, order)
    chosen = np.take_along_axis(weights.numpy(), order, axis=1)
    np.testing.assert_allclose(kept, chosen / chosen.sum(1, keepdims=True))


def test_there_may_be_fewer_weights_than_are_kept():
    kept, reference = largest(torch.tensor([[0.25, 0.75]]), 100)
    assert (kept.tolist(), reference.tolist()) == ([[0.75, 0.25]], [[1, 0]])
