"""Likelihoods by the hidden layer are those by the decoded profiles, and only where the decoder allows it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scvi.module import VAE
from torch import nn

from lowdepth.model.engine import take_rows
from lowdepth.tl._refinement._profile_likelihood import Multinomial
from lowdepth.tl._refinement._residuals import Residuals, corrected
from lowdepth.tl._refinement._softmax_decoder import LogLinearMultinomial, multinomial


def between_references(score):
    """Take away what a posterior does not see."""
    score = np.asarray(score, np.float64)
    return score - score.mean(1, keepdims=True)


def poisson_counts(n_cells, n_vars, seed):
    counts = np.random.default_rng(seed).poisson(0.7, (n_cells, n_vars)).astype(np.float32)
    return counts, take_rows(sp.csr_matrix(counts), np.arange(n_cells))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10), st.integers(1, 20), st.integers(1, 60), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_it_equals_the_sum_over_genes(n_cells, n_references, n_vars, n_hidden, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n_references, n_hidden, generator=generator).relu()
    weight, bias = torch.randn(n_vars, n_hidden, generator=generator), torch.randn(n_vars, generator=generator)
    logits = hidden.double() @ weight.double().T + bias
    share = logits.softmax(1)
    quick = LogLinearMultinomial(hidden, logits.logsumexp(1).float() + 5, weight, share.mean(0).float())
    counts, sparse = poisson_counts(n_cells, n_vars, seed % 1000)
    expected = counts.astype(np.float64) @ share.log().numpy().T
    np.testing.assert_allclose(between_references(quick.scores(sparse)), between_references(expected), atol=2e-3)


class Sharpened(VAE):
    """Decodes something else than what its last layer says."""

    def generative(self, *arguments, **options):
        """Square the shares."""
        decoded = super().generative(*arguments, **options)
        decoded["px"].scale = decoded["px"].scale ** 2 / (decoded["px"].scale ** 2).sum(1, keepdim=True)
        return decoded


@pytest.mark.parametrize(
    ("module_class", "options", "is_quick"),
    [
        (VAE, {}, True),
        (VAE, {"gene_likelihood": "poisson", "n_layers": 2}, True),
        (VAE, {"use_size_factor_key": True}, False),  # its scale is a softplus
        (Sharpened, {}, False),
    ],
)
@pytest.mark.parametrize("is_corrected", [False, True])
def test_the_quick_way_is_taken_where_it_is_the_same(module_class, options, is_quick, is_corrected):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = module_class(n_input=30, n_batch=2, n_latent=4, **{"gene_likelihood": "nb", **options}).eval()
        latent = torch.randn(300, 4)
    covariates = {"batch": torch.ones(1, 1).long(), "labels": torch.zeros(1, 1).long()}
    residuals = None
    if is_corrected:
        rng = np.random.default_rng(1)
        ratio = torch.from_numpy(rng.gamma(5, 1 / 5, (40, 30)).astype(np.float32))
        residuals = Residuals(ratio, torch.from_numpy(rng.integers(40, size=300)))
    found = multinomial(module, latent, covariates, residuals)
    assert isinstance(found, LogLinearMultinomial) == is_quick
    _, sparse = poisson_counts(20, 30, 0)
    with torch.no_grad():
        slow = Multinomial(corrected(module, latent, covariates, residuals)).scores(sparse)
    np.testing.assert_allclose(between_references(found.scores(sparse)), between_references(slow), atol=1e-3)
    assert not module.decoder.px_scale_decoder._forward_pre_hooks


def test_a_decoder_without_such_a_layer():
    module = VAE(n_input=30, n_batch=2, n_latent=4, gene_likelihood="nb").eval()
    module.decoder.px_scale_decoder = nn.Sequential(nn.Linear(128, 30), nn.LayerNorm(30), nn.Softmax(dim=-1))
    covariates = {"batch": torch.ones(1, 1).long(), "labels": torch.zeros(1, 1).long()}
    assert isinstance(multinomial(module, torch.zeros(3, 4), covariates, None), Multinomial)
