"""Calibration prefers cells that the model was not trained on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import counts_adata

import lowdepth as ld
from lowdepth.tl._transfer import _unseen_cells
from lowdepth.tl._transfer._unseen_cells import FEWEST_UNSEEN, to_calibrate_on


def model_of(n_cells, trained_on):
    names = pd.Index([f"cell {i}" for i in range(n_cells)])
    held_out = None if trained_on is None else np.setdiff1d(np.arange(len(names)), trained_on)
    cells = SimpleNamespace(obs_names=names, n_obs=len(names))
    return SimpleNamespace(adata=cells, train_indices=trained_on, validation_indices=held_out, test_indices=None)


@pytest.mark.parametrize("n_unseen", [FEWEST_UNSEEN - 1, FEWEST_UNSEEN])
def test_cells_that_were_held_out_if_they_are_many(n_unseen):
    rng = np.random.default_rng(0)
    unseen = rng.choice(2000, n_unseen, replace=False)
    model = model_of(2000, np.setdiff1d(np.arange(2000), unseen))
    order = rng.permutation(2000)
    rows = to_calibrate_on(model.adata.obs_names[order], model)
    expected = unseen if n_unseen == FEWEST_UNSEEN else np.arange(2000)
    np.testing.assert_array_equal(np.sort(order[rows]), np.sort(expected))


def test_all_cells_of_a_model_that_says_nothing_of_them():
    np.testing.assert_array_equal(to_calibrate_on(pd.Index(["a", "b"]), model_of(2, None)), [0, 1])


def test_cells_of_another_data_set_are_new():
    model = model_of(1000, np.arange(1000))
    names = pd.Index([*model.adata.obs_names[:10], *(f"other {i}" for i in range(FEWEST_UNSEEN))])
    np.testing.assert_array_equal(to_calibrate_on(names, model), np.arange(10, len(names)))


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_model_that_was_loaded_with_some_of_its_cells(place, tmp_path):
    adata = counts_adata(300)
    model = ld.tl.joint_embedding(adata, n_latent=4, max_epochs=1, batch_size=32, low_umi=200, progress_bar=False)
    model.save(tmp_path / "model")
    some = adata[::2].copy()
    some.write_h5ad(tmp_path / "some.h5ad")
    own = some if place == "memory" else ld.model.StoredCells(tmp_path / "some.h5ad", progress_bar=False)
    loaded = ld.model.JointEmbedding.load(tmp_path / "model", own)
    assert loaded.train_indices is None
    ld.tl.label_transfer(some, "cell_type", model=loaded, low_umi=200, n_neighbors=5)
    assert some.obs["label_transfer"].notna().all()


@pytest.mark.parametrize("method", ["knn", "depth_matched", "posterior"])
def test_no_cell_that_the_model_knows_is_held_out(method, monkeypatch, tmp_path):
    monkeypatch.setattr(_unseen_cells, "FEWEST_UNSEEN", 10)
    adata = counts_adata(300)
    ld.pp.depth_metrics(adata)
    model = ld.tl.joint_embedding(
        adata, n_latent=4, max_epochs=2, batch_size=32, low_umi=200, train_size=0.8, progress_bar=False
    )
    assert adata.uns["joint_embedding"]["params"]["train_size"] == 0.8
    assert "validation_loss" in adata.uns["joint_embedding"]["history"]
    model.save(tmp_path / "model")
    loaded = ld.model.JointEmbedding.load(tmp_path / "model", adata)
    known = np.zeros(adata.n_obs, bool)
    known[model.train_indices] = True
    ld.tl.label_transfer(adata, "cell_type", model=loaded, method=method, low_umi=200, n_neighbors=5)
    held_out = adata.uns["label_transfer"]["held_out"]
    unseen = (adata.obs["total_umi"] >= 200) & ~known
    n_by_type = adata.obs.loc[unseen, "cell_type"].value_counts()
    n_copies = np.bincount(held_out["label"]) / n_by_type[adata.uns["label_transfer"]["categories"]].to_numpy()
    assert unseen.sum() >= 10
    assert (n_copies > 4).all()
    assert (n_copies <= 5).all()


def test_cells_that_were_dropped_in_place_after_the_training():
    adata = counts_adata(300)
    model = ld.tl.joint_embedding(adata, n_latent=4, max_epochs=1, batch_size=32, low_umi=200, progress_bar=False)
    ld.pp.filter_low_umi(adata, 100)
    assert adata.n_obs < 300
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=200, n_neighbors=5)
    assert adata.obs["label_transfer"].notna().all()
