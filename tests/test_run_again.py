"""What is recorded in ``uns`` is enough to run again, to the same numbers."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from helpers import counts_adata

import lowdepth as ld

# one test worker trains
pytestmark = pytest.mark.xdist_group("run again")

FAST = {"accelerator": "cpu", "progress_bar": False}


@pytest.fixture(scope="module")
def raw():
    adata = counts_adata(90, 30)
    ld.pp.depth_metrics(adata, low_umi=200)
    adata.var["overdispersion"] = 0.2
    return adata


@pytest.fixture(scope="module")
def recorded(raw, tmp_path_factory):
    """Run every function with settings of its own, and read the records back from a file."""
    adata = raw.copy()
    model = ld.tl.joint_embedding(
        adata,
        batch_key="batch",
        preset="paper",
        n_latent=3,
        max_epochs=2,
        batch_size=40,
        lr=0.01,
        n_hidden=16,
        rng=3,
        low_umi=200,
        **FAST,
    )
    ld.tl.refine_low_umi(adata, model, low_umi=200, n_references=20, temperature=2.0, rng=4, progress_bar=False)
    ld.tl.tsne(adata, use_rep="X_joint_embedding", perplexity=7, max_obs=60, key_added="X_map", rng=5)
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=200, n_references=30, rng=6)
    ld.tl.label_transfer_score(adata, "cell_type", use_rep="X_pca", low_umi=200, n_neighbors=4, n_bootstrap=20, rng=7)
    ld.tl.depth_leakage(adata, "X_pca", label_key="cell_type", n_neighbors=5, n_clusters=4, rng=8)
    ld.tl.thinning_stability(adata, model, n=3, depths=(20, 60), max_paths=10, rng=9, progress_bar=False)
    ld.tl.bias_point(adata, model, low_umi=200)
    ld.pp.thin_to_depth(adata, 50, key_added="thinned", rng=10)
    ld.pp.split_counts(adata, 0.3, keys_added=("one", "other"), overdispersion="overdispersion", rng=11)
    path = tmp_path_factory.mktemp("recorded") / "cells.h5ad"
    adata.write_h5ad(path)
    return ad.read_h5ad(path), model


def params(recorded, name):
    return dict(recorded[0].uns[name]["params"])


def test_joint_embedding(raw, recorded):
    adata = raw.copy()
    settings = params(recorded, "joint_embedding")
    assert settings.pop("n_devices") == 1
    ld.tl.joint_embedding(adata, **settings, low_umi=200, **FAST)
    np.testing.assert_array_equal(adata.obsm["X_joint_embedding"], recorded[0].obsm["X_joint_embedding"])


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("refine_low_umi", ["obsm/X_joint_embedding_refined", "obs/joint_embedding_refined_n_references"]),
        ("tsne", ["obsm/X_map"]),
        ("label_transfer", ["obsm/label_transfer_probability", "obs/label_transfer_confidence"]),
        ("label_transfer_score", ["uns/label_transfer_score"]),
        ("depth_leakage", ["uns/depth_leakage"]),
        ("thinning_stability", ["obs/thinning_stability", "obsm/thinning_stability_path"]),
        ("bias_point", ["obs/bias_point_distance"]),
    ],
)
def test_tools(name, slots, recorded):
    before, model = recorded
    record = {"refine_low_umi": "joint_embedding_refined", "tsne": "map"}.get(name, name)
    settings = params(recorded, record)
    takes_model = name in {"refine_low_umi", "label_transfer", "thinning_stability", "bias_point"}
    again = model.adata.copy() if takes_model else before.copy()
    for place in slots:
        slot, key = place.split("/")
        del getattr(again, slot)[key]
    if name == "tsne":
        settings["key_added"] = "X_map"
    if "use_rep" in settings and name != "tsne":
        settings["use_rep"] = list(settings["use_rep"])
    if takes_model:
        settings["model"] = model
    getattr(ld.tl, name)(again, **settings)
    for place in slots:
        slot, key = place.split("/")
        assert_equal(getattr(again, slot)[key], getattr(before, slot)[key])


@pytest.mark.parametrize(("name", "layers"), [("thin_to_depth", ["thinned"]), ("split_counts", ["one", "other"])])
def test_preprocessing(name, layers, raw, recorded):
    adata = raw.copy()
    getattr(ld.pp, name)(adata, **params(recorded, name))
    for layer in layers:
        assert_equal(adata.layers[layer], recorded[0].layers[layer])


def test_emulated_depth(raw):
    first, again = raw.copy(), raw.copy()
    ld.pp.emulate_low_depth(first, log10_mean=-0.5, log10_sd=0.2, min_umi=30, rng=12)
    ld.pp.emulate_low_depth(again, **first.uns["emulate_low_depth"]["params"])
    assert_equal(first.X, again.X)


def assert_equal(one, other):
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key, value in one.items():
            assert_equal(value, other[key])
    elif sp.issparse(one):
        assert (one != other).nnz == 0
    elif hasattr(one, "to_numpy") and getattr(one, "ndim", 1) == 2:
        assert list(one.columns) == list(other.columns)
        for column in one:
            assert_equal(one[column], other[column])
    else:
        one, other = np.asarray(one), np.asarray(other)
        if one.dtype.kind in "OTU" or other.dtype.kind in "OTU":
            one, other = one.astype(object).astype(str), other.astype(object).astype(str)
        np.testing.assert_array_equal(one, other)
