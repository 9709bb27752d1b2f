"""The bias point is what the encoder says of zeros, and the collapse index is a ratio of distances to it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from helpers import CONTAINERS, assert_unchanged, counts_adata

import lowdepth as ld

LOW_UMI = 200
DISTANCE, COLLAPSE = "bias_point_distance", "bias_point_collapse"
FAST = {"max_epochs": 2, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False, "log_every_n_steps": 1}


def train(adata, model_class=scvi.model.SCVI, **options):
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(scvi.settings, "_seed", None)
        torch.manual_seed(0)
        model_class.setup_anndata(adata, batch_key="batch")
        model = model_class(adata, n_latent=4, **options)
        model.train(**FAST)
    return model


@pytest.fixture
def adata():
    return counts_adata(80)


@pytest.fixture
def model(adata):
    return train(adata)


def find(adata, model, **options):
    ld.tl.bias_point(adata, model, **{"low_umi": LOW_UMI, **options})
    return adata.uns["bias_point"]


def encoded(model, x, *covariates):
    """Call the encoder itself, layer by layer as scvi-tools has it, with a dense input."""
    encoder = model.module.z_encoder
    encoder.eval()
    with torch.no_grad():
        return encoder.mean_encoder(encoder.encoder(x, *covariates)).numpy()


@pytest.mark.parametrize("preset", [None, "scvi", "paper", "denoise"])
def test_the_point_is_the_encoder_at_zero(adata, preset):
    model = train(adata) if preset is None else train(adata, ld.model.JointEmbedding, preset=preset)
    point = find(adata, model)["point"]
    np.testing.assert_allclose(point, encoded(model, torch.zeros(1, adata.n_vars))[0], atol=1e-5)


def test_distances_are_those_of_the_embedding(adata, model):
    point = find(adata, model)["point"]
    distance = np.linalg.norm(model.get_latent_representation() - point, axis=1)
    deep = np.asarray(adata.X.sum(axis=1)).ravel() >= LOW_UMI
    np.testing.assert_allclose(adata.obs[DISTANCE], distance, rtol=1e-5)
    np.testing.assert_allclose(adata.obs[COLLAPSE], 1 - distance / np.median(distance[deep]), atol=1e-5)
    assert np.median(adata.obs[COLLAPSE][deep]) == pytest.approx(0)


def test_cells_without_any_signal_have_collapsed(adata, model):
    # the first layer sees the genes only; without its weights every cell is an empty one
    keeps = train(adata)
    model.module.z_encoder.encoder.fc_layers[0][0].weight.data[:, : adata.n_vars // 2] = 0
    silent = adata.copy()
    rest = adata.n_vars - adata.n_vars // 2
    counts = silent.X.toarray()
    counts[:10, -rest:] = 0
    counts[:10, 0] = 1
    silent.X = CONTAINERS["csr_matrix"](counts)
    find(silent, model)
    np.testing.assert_allclose(silent.obs[COLLAPSE].iloc[:10], 1, atol=1e-5)
    find(silent, keeps)
    assert (silent.obs[COLLAPSE].iloc[:10] < 1).all()


def test_covariates_that_the_encoder_sees(adata):
    model = train(adata, encode_covariates=True, n_layers=1)
    point = find(adata, model)["point"]
    batch = torch.from_numpy(adata.obs["batch"].cat.codes.to_numpy(np.int64))[:, None]
    twins = encoded(model, torch.zeros(adata.n_obs, adata.n_vars), batch)
    assert np.ptp(twins, axis=0).max() > 1e-3
    np.testing.assert_allclose(point, twins.mean(axis=0), atol=1e-5)
    distance = np.linalg.norm(model.get_latent_representation() - twins, axis=1)
    np.testing.assert_allclose(adata.obs[DISTANCE], distance, rtol=1e-4)


def test_bins_of_depth_share_out_the_cells(adata, model):
    per_depth = find(adata, model)["per_depth"]
    depth = np.asarray(adata.X.sum(axis=1)).ravel()
    assert per_depth["n"].sum() == adata.n_obs
    assert LOW_UMI in per_depth["umi_low"].to_numpy()
    np.testing.assert_allclose(per_depth["umi_high"] / per_depth["umi_low"], 10**0.5)
    for row in per_depth.itertuples():
        cells = adata.obs[(depth >= row.umi_low) & (depth < row.umi_high)]
        assert len(cells) == row.n
        assert cells[DISTANCE].median() == row.distance
        quartiles = cells[COLLAPSE].quantile([0.25, 0.5, 0.75])
        assert quartiles.tolist() == [row.collapse_low, row.collapse, row.collapse_high]


def test_the_order_of_the_cells_does_not_matter(adata, model):
    expected = find(adata, model)
    shuffled = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
    observed = find(shuffled, model)
    np.testing.assert_allclose(observed["point"], expected["point"], atol=1e-6)
    np.testing.assert_allclose(shuffled.obs[DISTANCE][adata.obs_names], adata.obs[DISTANCE], rtol=1e-5)
    pd.testing.assert_frame_equal(observed["per_depth"], expected["per_depth"], rtol=1e-4)


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_do_not_matter(adata, model, container):
    find(adata, model)
    other = adata.copy()
    other.X = CONTAINERS[container](adata.X.toarray())
    find(other, model)
    np.testing.assert_allclose(other.obs[DISTANCE], adata.obs[DISTANCE], rtol=1e-5)


def test_slots_copy_and_no_trace(adata, model):
    managers = set(model._per_instance_manager_store[model.id])
    state = torch.get_rng_state()
    with assert_unchanged(adata):
        copy = ld.tl.bias_point(adata, model, low_umi=LOW_UMI, key_added="empty", copy=True)
    assert set(copy.obs) - set(adata.obs) == {"empty_distance", "empty_collapse"}
    assert set(copy.uns) - set(adata.uns) == {"empty"}
    assert copy.uns["empty"]["params"] == {"low_umi": LOW_UMI}
    assert set(model._per_instance_manager_store[model.id]) == managers
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, model, kind, tmp_path):
    record = find(adata, model)
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata").uns["bias_point"]
    np.testing.assert_array_equal(read["point"], record["point"])
    pd.testing.assert_frame_equal(read["per_depth"], record["per_depth"], check_index_type=False)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"low_umi": 1e9}, ValueError, "no cell has `low_umi=1000000000.0` UMIs: the deepest has"),
        ({"low_umi": np.nan}, ValueError, "`low_umi=nan`"),
        ({"layer": "spliced"}, KeyError, "no layer 'spliced'"),
        ({"model": "scvi"}, TypeError, "`model` is a str"),
    ],
)
def test_bad_options(adata, model, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        ld.tl.bias_point(adata, **{"model": model, "low_umi": LOW_UMI, **options})


def test_a_model_that_embeds_all_cells_at_one_point(adata, model):
    model.module.z_encoder.mean_encoder.weight.data.zero_()
    with assert_unchanged(adata), pytest.raises(ValueError, match=r"median distance to the bias point is 0\.0"):
        find(adata, model)
