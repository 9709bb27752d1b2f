"""The rule for the number of epochs."""

from __future__ import annotations

from math import ceil
from types import SimpleNamespace

import pytest
from helpers import counts_adata
from hypothesis import given
from hypothesis import strategies as st
from stores import written

import lowdepth as ld
from lowdepth.model._schedule import TutorialSteps, epochs_for


@pytest.mark.parametrize(("n_obs", "epochs"), [(48_074, 25), (11_643, 100), (2_300, 400), (1_000_000, 25), (2, 400)])
def test_known_sizes(n_obs, epochs):
    assert epochs_for(n_obs, 512) == epochs


@given(n_obs=st.integers(2, 10**6), batch_size=st.integers(2, 10**4), most=st.sampled_from([25, 100, 400]))
def test_as_many_steps_as_the_tutorial_where_the_bounds_allow(n_obs, batch_size, most):
    epochs, steps = epochs_for(n_obs, batch_size, most), ceil(n_obs / batch_size)
    assert 25 <= epochs <= most
    assert epochs * steps >= 2300 or epochs == most
    assert (epochs - 1) * steps < 2300 or epochs == 25


@pytest.mark.parametrize(("n_ranks", "epochs"), [(1, 100), (4, 384)])
def test_devices_make_steps_together(n_ranks, epochs):
    trainer = SimpleNamespace(world_size=n_ranks, fit_loop=SimpleNamespace(max_epochs=0))
    TutorialSteps(11_643, 512, 400).setup(trainer, None, "fit")
    assert trainer.fit_loop.max_epochs == epochs == epochs_for(11_643, 512 * n_ranks)


@pytest.mark.parametrize(
    ("preset", "n_obs", "most"), [("denoise", 20, 100), ("denoise", 3000, 150), ("paper", 20, 400), ("scvi", 20, 400)]
)
def test_few_cells_are_not_shown_too_often(preset, n_obs, most):
    adata = counts_adata(n_obs)
    ld.model.JointEmbedding.setup_anndata(adata)
    assert ld.model.JointEmbedding(adata, preset=preset).most_epochs == most


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_the_model_bounds_its_trainings(tmp_path, where):
    adata = counts_adata(60)
    if where == "memory":
        ld.model.JointEmbedding.setup_anndata(adata)
        model = ld.model.JointEmbedding(adata, n_latent=4, most_epochs=2)
        model.train(accelerator="cpu", enable_progress_bar=False)
    else:
        path = written(adata, tmp_path / "cells.h5ad")
        model = ld.tl.joint_embedding(
            path, n_latent=4, most_epochs=2, low_umi=100, accelerator="cpu", progress_bar=False
        )
    assert len(model.history["train_loss"]) == 2
    model.save(tmp_path / "model")
    assert ld.model.JointEmbedding.load(tmp_path / "model", adata=False).most_epochs == 2


def test_a_bound_of_no_epochs_is_refused():
    adata = counts_adata(20)
    ld.model.JointEmbedding.setup_anndata(adata)
    with pytest.raises(ValueError, match="`most_epochs=0`"):
        ld.model.JointEmbedding(adata, most_epochs=0)
