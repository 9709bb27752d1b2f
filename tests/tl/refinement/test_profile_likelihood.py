"""Likelihoods of counts under decoded profiles, against scvi-tools and plain float64 sums."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scvi.distributions import NegativeBinomial as ScviNegativeBinomial

from lowdepth.model.engine import take_rows
from lowdepth.tl._refinement._profile_likelihood import SMALLEST_SHARE, Multinomial, NegativeBinomial, Profiles


def draw(n_cells, n_references, n_vars, *, umis=(5, 1000), seed=0):
    """Draw profiles, dispersions from 0.01 to 100, and counts of very different depths."""
    rng = np.random.default_rng(seed)
    share = rng.gamma(0.5, size=(n_references, n_vars)) + 1e-3
    share = (share / share.sum(1, keepdims=True)).astype(np.float32)
    dispersion = (10 ** rng.uniform(-2, 2, n_vars)).astype(np.float32)
    depth = 10 ** rng.uniform(*np.log10(umis), n_cells)
    profile = share[rng.integers(n_references, size=n_cells)].astype(np.float64)
    counts = np.array([rng.multinomial(int(n) + 1, p / p.sum()) for n, p in zip(depth, profile, strict=True)])
    return torch.from_numpy(share), torch.from_numpy(dispersion), counts.astype(np.float32)


def decoded(share, dispersion=None, *, at_a_time=7):
    return (Profiles(part, dispersion) for part in share.split(at_a_time))


def sparse(counts):
    return take_rows(sp.csr_matrix(counts), np.arange(len(counts)))


def between_references(score):
    """Take away what a posterior does not see."""
    return score - score.mean(1, keepdims=True)


sizes = {"n_cells": st.integers(1, 10), "n_references": st.integers(1, 20), "n_vars": st.integers(1, 60)}


@settings(max_examples=40, deadline=None)
@given(**sizes, seed=st.integers(0, 2**32 - 1))
def test_multinomial_equals_the_sum(n_cells, n_references, n_vars, seed):
    share, _, counts = draw(n_cells, n_references, n_vars, seed=seed)
    observed = Multinomial(decoded(share)).scores(sparse(counts)).numpy().astype(np.float64)
    profile = share.double().numpy()
    expected = counts.astype(np.float64) @ np.log(profile / profile.sum(1, keepdims=True)).T
    np.testing.assert_allclose(between_references(observed), between_references(expected), rtol=1e-5, atol=1e-3)


def test_multinomial_does_not_depend_on_the_sum_of_the_shares():
    share, _, counts = draw(5, 8, 30)
    scale = torch.linspace(1, 50, 8)[:, None]
    scaled, plain = (Multinomial(decoded(shares)).scores(sparse(counts)) for shares in (scale * share, share))
    np.testing.assert_allclose(scaled, plain, rtol=1e-4, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(**sizes, seed=st.integers(0, 2**32 - 1), most=st.sampled_from([6, 1000, 100_000]))
def test_negative_binomial_equals_scvi(n_cells, n_references, n_vars, seed, most):
    share, dispersion, counts = draw(n_cells, n_references, n_vars, umis=(5, most), seed=seed)
    umis = counts.sum(1)
    model = NegativeBinomial(decoded(share, dispersion), (umis.min(), umis.max()))
    observed = model.scores(sparse(counts)).numpy().astype(np.float64)
    mean = torch.from_numpy(umis).double()[:, None, None] * share.double()
    brute_force = ScviNegativeBinomial(mu=mean, theta=dispersion.double())
    expected = brute_force.log_prob(torch.from_numpy(counts).double()[:, None]).sum(2).numpy()
    # float32 rounds one logarithm for each UMI; scvi-tools adds 1e-8 to means and dispersions
    bound = np.finfo(np.float32).eps * umis.max() * share.log().abs().max().item() + 1e-3
    np.testing.assert_allclose(between_references(observed), between_references(expected), atol=bound)


@pytest.mark.parametrize("umis", [(300.0, 300.0), (20.0, 1000.0), (1.0, 1e6)])
def test_interpolation_over_depths_is_as_good_as_the_sum(umis):
    share, dispersion, _ = draw(1, 12, 200)
    model = NegativeBinomial(decoded(share, dispersion), umis)
    size = np.geomspace(*umis, 101)
    position = (np.log(size) - model._middle) / model._half
    observed = np.polynomial.chebyshev.chebval(position, model._coefficients).T
    ratio = share.double().numpy() / dispersion.double().numpy()
    expected = (dispersion.double().numpy() * np.log1p(size[:, None, None] * ratio)).sum(2)
    # the sums in the nodes are of float32 terms, which leaves an error of some 1e-7 of the largest sum
    np.testing.assert_allclose(observed, expected - expected[:, :1], rtol=0, atol=1e-6 * expected.max())


def test_shares_that_were_rounded_to_zero_stay_finite():
    share, dispersion, counts = draw(4, 9, 20)
    share[3] = 0
    share[3, 0] = 1
    share[5, 2:] = SMALLEST_SHARE / 4
    for model in (
        Multinomial(decoded(share)),
        NegativeBinomial(decoded(share, dispersion), (counts.sum(1).min(), counts.sum(1).max())),
    ):
        assert torch.isfinite(model.scores(sparse(counts))).all()


@pytest.mark.parametrize("at_a_time", [1, 8, 100])
def test_blocks_of_references_do_not_matter(at_a_time):
    share, dispersion, counts = draw(6, 30, 50)
    umis = (counts.sum(1).min(), counts.sum(1).max())
    for build in (Multinomial, lambda blocks: NegativeBinomial(blocks, umis)):
        one, other = (
            between_references(build(decoded(share, dispersion, at_a_time=n)).scores(sparse(counts)).numpy())
            for n in (at_a_time, 30)
        )
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
