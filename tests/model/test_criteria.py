"""The criteria are those of the library, on minibatches, and stand in the history of cells that are held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import counts_adata

import lowdepth as ld
from lowdepth.model._criteria import thinning_stability
from lowdepth.model._presets import PRESETS
from lowdepth.model._seed import seeded
from lowdepth.tl._cells._thinned_embedding import reliability


def halves(noise, n_obs=400, n_latent=3, seed=0):
    rng = np.random.default_rng(seed)
    total = rng.integers(500, 520, n_obs).astype(float)
    signal = rng.normal(size=(n_obs, n_latent))
    # the cells' own counts are noise too, as large as that of a thinning
    signal += noise * rng.normal(size=signal.shape)
    return [signal + noise * rng.normal(size=signal.shape) for _ in range(2)], total


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_stability_is_that_of_the_library(noise):
    (one, other), total = halves(noise)
    squares = ((one - other) ** 2).sum(1) / 2
    # alike cells in one bin: with the mean noise in each of them the library's figure is that of all
    expected = reliability((one + other) / 2, np.full(len(total), squares.mean()), np.full(len(total), 510.0), n=2)
    found = thinning_stability(*map(torch.tensor, (one, other, total)))
    assert found.item() == pytest.approx(expected.mean(), abs=0.02)
    assert found.item() == pytest.approx(1 / (1 + noise**2), abs=0.06)


def test_depth_is_no_signal():
    total = torch.linspace(10, 1000, 300)
    depth = torch.outer(total.log(), torch.ones(2)) + 0.1 * torch.randn(
        2, 300, 2, generator=torch.Generator().manual_seed(0)
    )
    assert thinning_stability(*depth, total) < 0.5
    flat = torch.zeros(20, 2)
    assert thinning_stability(flat, flat, torch.full((20,), 9.0)) == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_history_of_held_out_cells(preset):
    adata = counts_adata(120)
    with seeded(0):
        ld.model.JointEmbedding.setup_anndata(adata)
        model = ld.model.JointEmbedding(adata, preset=preset, n_latent=4, n_hidden=8)
        model.train(max_epochs=3, batch_size=32, train_size=0.7, accelerator="cpu", enable_progress_bar=False)
    history = model.history
    assert history["thinning_stability_validation"].astype(float).stack().between(0, 1).all()
    thinned = history["thinned_nll_validation"].astype(float)["thinned_nll_validation"]
    assert (thinned > 0).all()
    assert "thinned_nll_train" not in history
    if preset == "denoise":  # what it is trained on, and reports
        expected = history["reconstruction_loss_validation"].astype(float)["reconstruction_loss_validation"]
        np.testing.assert_allclose(thinned, expected, rtol=1e-5)


def test_criteria_of_two_cells():
    adata = counts_adata(122)
    ld.model.JointEmbedding.setup_anndata(adata)
    model = ld.model.JointEmbedding(adata, n_latent=4, n_hidden=8)
    split = {"external_indexing": [np.arange(120), np.arange(120, 122)]}
    model.train(max_epochs=1, batch_size=60, datasplitter_kwargs=split, accelerator="cpu", enable_progress_bar=False)
    for name in ("thinned_nll_validation", "thinning_stability_validation"):
        assert np.isfinite(model.history[name].astype(float)).all(axis=None)
