"""One call registers, trains, embeds and records."""

from __future__ import annotations

import logging
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata

import lowdepth as ld

FAST = {"max_epochs": 1, "batch_size": 32, "n_latent": 4, "progress_bar": False, "low_umi": 100, "accelerator": "cpu"}


def test_slots():
    adata = counts_adata(80)
    counts = adata.X.copy()
    model = ld.tl.joint_embedding(adata, batch_key="batch", **FAST)
    assert adata.obsm["X_joint_embedding"].shape == (80, 4)
    np.testing.assert_array_equal(adata.obsm["X_joint_embedding"], model.get_latent_representation())
    record = adata.uns["joint_embedding"]
    assert record["params"] == {
        "preset": "denoise",
        "batch_key": "batch",
        "n_latent": 4,
        "max_epochs": 1,
        "batch_size": 32,
        "lr": 0.004,
        "train_size": 1.0,
        "n_devices": 1,
        "rng": 0,
    }
    assert len(record["history"]) == 1
    assert "cco_loss_train" in record["history"]
    assert set(record["versions"]) == {"lowdepth", "scvi-tools", "torch", "anndata"}
    assert (counts != adata.X).nnz == 0
    assert set(adata.obs) == {"cell_type", "batch", "_scvi_batch", "_scvi_labels"}


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_record_survives_a_file(kind, tmp_path):
    adata = counts_adata(80)
    ld.tl.joint_embedding(adata, **FAST)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    pd.testing.assert_frame_equal(
        read.uns["joint_embedding"]["history"], adata.uns["joint_embedding"]["history"], check_names=False
    )
    assert read.uns["joint_embedding"]["params"] == adata.uns["joint_embedding"]["params"]
    np.testing.assert_array_equal(read.obsm["X_joint_embedding"], adata.obsm["X_joint_embedding"])


def test_key_added_renames_everything():
    adata = counts_adata(80)
    ld.tl.joint_embedding(adata, preset="scvi", key_added="X_scvi", **FAST)
    assert "X_scvi" in adata.obsm
    assert adata.uns["scvi"]["params"]["preset"] == "scvi"
    assert not any("joint_embedding" in key for key in [*adata.obsm, *adata.uns])


def test_refine_is_the_refinement_afterwards():
    at_once, afterwards = counts_adata(80), counts_adata(80)
    ld.tl.joint_embedding(at_once, key_added="X_mine", refine=True, **FAST)
    model = ld.tl.joint_embedding(afterwards, **FAST)
    ld.tl.refine_low_umi(afterwards, model, low_umi=FAST["low_umi"])
    np.testing.assert_array_equal(at_once.obsm["X_mine_refined"], afterwards.obsm["X_joint_embedding_refined"])
    assert not np.array_equal(at_once.obsm["X_mine_refined"], at_once.obsm["X_mine"])
    assert set(at_once.uns) >= {"mine", "mine_refined"}


@pytest.mark.parametrize(("low_umi", "missing"), [(1, "shallow"), (1_000_000, "deep")])
def test_nothing_is_trained_when_there_is_nothing_to_refine(low_umi, missing, monkeypatch):
    monkeypatch.delattr(ld.model.JointEmbedding, "train")
    adata = counts_adata(80)
    with assert_unchanged(adata), pytest.raises(ValueError, match=f"no {missing} cell"):
        ld.tl.joint_embedding(adata, refine=True, **{**FAST, "low_umi": low_umi})


def test_copy_is_what_in_place_would_be():
    adata = counts_adata(80)
    with assert_unchanged(adata):
        model = ld.tl.joint_embedding(adata, copy=True, **FAST)
    ld.tl.joint_embedding(adata, **FAST)
    np.testing.assert_array_equal(model.adata.obsm["X_joint_embedding"], adata.obsm["X_joint_embedding"])


def test_layer_is_what_is_trained_on():
    adata = counts_adata(80)
    adata.layers["counts"] = adata.X.copy()
    ld.tl.joint_embedding(adata, key_added="X_from_x", **FAST)
    adata.X = adata.X.log1p()
    ld.tl.joint_embedding(adata, layer="counts", key_added="X_from_layer", **FAST)
    np.testing.assert_array_equal(adata.obsm["X_from_layer"], adata.obsm["X_from_x"])


def test_a_view_becomes_an_object_of_its_own():
    parent = counts_adata(120)
    view = parent[:80]
    with assert_unchanged(parent), pytest.warns(UserWarning, match="Received a view"):
        ld.tl.joint_embedding(view, **FAST)
    assert not view.is_view
    assert view.obsm["X_joint_embedding"].shape == (80, 4)


def test_generator_advances_and_is_not_recorded():
    generator = np.random.default_rng(0)
    latents = []
    for _ in range(2):
        adata = counts_adata(80)
        ld.tl.joint_embedding(adata, rng=generator, **FAST)
        latents.append(adata.obsm["X_joint_embedding"])
        assert "rng" not in adata.uns["joint_embedding"]["params"]
    assert not np.allclose(*latents)


def test_nothing_is_said_without_a_progress_bar(capfd, caplog):
    with caplog.at_level(logging.INFO), warnings.catch_warnings(action="always", record=True) as warned:
        ld.tl.joint_embedding(counts_adata(80), **FAST)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("lightning")]
    assert not [warning for warning in warned if issubclass(warning.category, FutureWarning)]


def test_no_deep_cell_is_warned_about():
    with pytest.warns(UserWarning, match="No cell has 1000000 UMIs"):
        ld.tl.joint_embedding(counts_adata(80), **{**FAST, "low_umi": 1_000_000})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"preset": "best"}, ValueError, "there is no preset 'best'"),
        ({"layer": "count"}, KeyError, "there is no layer 'count'"),
        ({"batch_key": "bach"}, KeyError, "did you mean 'batch'"),
        ({"n_latent": 0}, ValueError, "`n_latent=0`"),
        ({"batch_size": 1}, ValueError, "`batch_size=1`"),
        ({"n_layers": "two"}, TypeError, "str"),
    ],
)
def test_errors_leave_adata_unchanged(arguments, error, message):
    adata = counts_adata(80)
    with assert_unchanged(adata), pytest.raises(error, match=message):
        ld.tl.joint_embedding(adata, **{**FAST, **arguments})


def test_interrupted_training_leaves_adata_unchanged(monkeypatch):
    adata = counts_adata(80)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ld.model.JointEmbedding, "train", interrupt)
    with assert_unchanged(adata), pytest.raises(KeyboardInterrupt):
        ld.tl.joint_embedding(adata, **FAST)


def test_cells_without_a_batch_are_refused():
    adata = counts_adata(80)
    adata.obs.loc[adata.obs_names[:3], "batch"] = np.nan
    with assert_unchanged(adata), pytest.raises(ValueError, match="is missing for 3 cells"):
        ld.tl.joint_embedding(adata, batch_key="batch", **FAST)


def test_one_cell_is_refused():
    adata = counts_adata(1)
    with assert_unchanged(adata), pytest.raises(ValueError, match="there is 1 cell"):
        ld.tl.joint_embedding(adata, **FAST)
