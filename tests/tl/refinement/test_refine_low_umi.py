"""Shallow cells move to the deep cells that explain them, whatever scVI-like model embedded them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from helpers import CONTAINERS, assert_unchanged
from refined_cells import ENTROPY, KEY, LOW_UMI, cells, refine, train

import lowdepth as ld


@pytest.mark.parametrize(
    ("model_class", "setup", "options"),
    [
        (scvi.model.LinearSCVI, {"batch_key": "batch"}, {}),
        (scvi.model.SCVI, {"batch_key": "batch"}, {"batch_representation": "embedding"}),
        (scvi.model.SCVI, {"batch_key": "batch"}, {"dispersion": "gene-cell", "latent_distribution": "ln"}),
        (scvi.model.SCVI, {"batch_key": "batch", "labels_key": "cell_type"}, {"dispersion": "gene-label"}),
        (scvi.model.SCVI, {"batch_key": "batch", "size_factor_key": "size"}, {}),
        (scvi.model.SCANVI, {"batch_key": "batch", "labels_key": "cell_type", "unlabeled_category": "?"}, {}),
    ],
)
def test_other_models_with_the_decoder_of_scvi(adata, model_class, setup, options):
    adata.obs["size"] = np.asarray(adata.X.sum(1)).ravel() / LOW_UMI
    model = train(adata, model_class, setup=setup, **options)
    refined = refine(adata, model)
    deep = adata.obs[ENTROPY].isna().to_numpy()
    assert (refined >= refined[deep].min(0) - 1e-5).all()
    assert (refined <= refined[deep].max(0) + 1e-5).all()
    assert np.ptp(refined[~deep], axis=0).all()


def test_labels_do_not_matter(adata):
    setup = {"batch_key": "batch", "labels_key": "cell_type"}
    model = train(adata, setup=setup, dispersion="gene-label")
    expected = refine(adata, model).copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].to_numpy()[::-1]
    np.testing.assert_array_equal(refine(adata, model), expected)


def test_temperature_flattens_the_weights(adata, model):
    entropies = []
    for temperature in (1.0, 10.0, 1e6):
        refine(adata, model, temperature=temperature)
        entropies.append(adata.obs[ENTROPY].dropna())
    assert (entropies[0] < entropies[1]).all()
    np.testing.assert_allclose(entropies[2], np.log(adata.obs[ENTROPY].isna().sum()), rtol=1e-3)


def test_references_carry_the_deep_cells_that_they_stand_for(adata, model):
    # without a likelihood to speak of, the refined latent is the mean of the prior
    deep = np.asarray(adata.X.sum(1)).ravel() >= LOW_UMI
    prior_mean = model.get_latent_representation()[deep].mean(0)
    estimates = [refine(adata, model, n_references=10, temperature=1e9, rng=seed)[~deep][0] for seed in range(30)]
    standard_error = np.std(estimates, axis=0, ddof=1) / np.sqrt(len(estimates))
    assert (np.abs(np.mean(estimates, axis=0) - prior_mean) < 5 * standard_error).all()
    assert adata.uns["joint_embedding_refined"]["params"]["n_references"] == 10


def test_stored_weights_are_on_few_references_and_sum_up_to_one(adata, model):
    refine(adata, model, n_references=12, store_weights=True)
    weights = adata.obsp["joint_embedding_refined_weights"]
    deep = adata.obs[ENTROPY].isna().to_numpy()
    assert weights.format == "csr"
    assert weights.dtype == np.float32
    assert weights[deep].nnz == 0
    np.testing.assert_allclose(np.asarray(weights[~deep].sum(1)).ravel(), 1, rtol=1e-5)
    used = np.unique(weights.indices)
    assert len(used) <= 12
    assert deep[used].all()


def test_weights_of_an_earlier_run_are_not_left_beside_the_new_one(adata, model):
    refine(adata, model, store_weights=True)
    refine(adata, model)
    assert "joint_embedding_refined_weights" not in adata.obsp


@pytest.mark.parametrize("n_at_a_time", [1, 7])
def test_blocks_of_cells_do_not_matter(adata, model, n_at_a_time, monkeypatch):
    expected = refine(adata, model).copy()
    n_deep = int(adata.obs[ENTROPY].isna().sum())
    monkeypatch.setattr("lowdepth.tl._refinement._refinement.SCORES_AT_A_TIME", n_at_a_time * n_deep)
    np.testing.assert_allclose(refine(adata, model), expected, atol=1e-5)


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_do_not_matter(adata, model, container):
    expected = refine(adata, model).copy()
    other = adata.copy()
    other.X = CONTAINERS[container](other.X.toarray())
    np.testing.assert_allclose(refine(other, model), expected, atol=1e-5)


def test_layer(adata):
    adata.layers["counts"] = adata.X.copy()
    model = train(adata, setup={"layer": "counts", "batch_key": "batch"})
    adata.X = adata.X.log1p()
    expected = refine(adata, model).copy()
    adata.layers["elsewhere"] = adata.layers.pop("counts")
    np.testing.assert_array_equal(refine(adata, model, layer="elsewhere"), expected)


def test_other_cells_than_the_model_was_trained_on(adata, model):
    other = cells(seed=3)
    whole = refine(other, model)
    assert np.isfinite(whole).all()
    assert not any(key.startswith("_scvi") for key in [*other.obs, *other.uns])


def test_copy_is_what_in_place_would_be(adata, model):
    with assert_unchanged(adata):
        copy = ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI, copy=True)
    np.testing.assert_array_equal(copy.obsm[KEY], refine(adata, model))
    pd.testing.assert_frame_equal(copy.obs, adata.obs)


def test_view_is_materialised_with_a_warning(adata, model):
    view = adata[10:]
    with pytest.warns(UserWarning, match="Received a view"):
        refined = refine(view, model)
    np.testing.assert_array_equal(refined, refine(adata[10:].copy(), model))
    assert KEY not in adata.obsm


def test_slots_and_key_added(adata, model):
    before = {slot: set(getattr(adata, slot)) for slot in ("obs", "obsm", "obsp", "uns")}
    assert ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI, key_added="X_scvi_refined", store_weights=True) is None
    new = {slot: set(getattr(adata, slot)) - before[slot] for slot in before}
    assert new == {
        "obs": {"scvi_refined_n_references", "scvi_refined_entropy"},
        "obsm": {"X_scvi_refined"},
        "obsp": {"scvi_refined_weights"},
        "uns": {"scvi_refined"},
    }
    assert adata.obsm["X_scvi_refined"].dtype == np.float32
    n_deep = int(adata.obs["scvi_refined_entropy"].isna().sum())
    assert adata.uns["scvi_refined"]["params"] == {
        "low_umi": LOW_UMI,
        "n_references": n_deep,
        "temperature": 1.0,
        "n_neighbors": 2,
        "residuals": True,
        "likelihood": "multinomial",
        "rng": 0,
    }


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_results_survive_a_file(adata, model, kind, tmp_path):
    refine(adata, model, store_weights=True)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    np.testing.assert_array_equal(read.obsm[KEY], adata.obsm[KEY])
    assert (read.obsp["joint_embedding_refined_weights"] != adata.obsp["joint_embedding_refined_weights"]).nnz == 0
    assert read.uns["joint_embedding_refined"] == adata.uns["joint_embedding_refined"]


def test_random_state_is_left_as_found_and_does_not_matter(adata, model):
    expected = refine(adata, model, n_references=10, rng=3).copy()
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(refine(adata, model, n_references=10, rng=3), expected)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_the_model_keeps_no_trace(adata, model):
    managers = set(model._per_instance_manager_store[model.id])
    refine(adata, model)
    with pytest.raises(ValueError, match="no deep cell"):
        ld.tl.refine_low_umi(adata, model, low_umi=1e9)
    assert set(model._per_instance_manager_store[model.id]) == managers
    assert model.adata is adata


def raises(adata, model, error, match, **options):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        ld.tl.refine_low_umi(adata, model, **{"low_umi": LOW_UMI, **options})


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"low_umi": 1e9}, ValueError, r"no deep cell with `low_umi=1000000000.0`: depths run from"),
        ({"low_umi": 1}, ValueError, r"no shallow cell with `low_umi=1`"),
        ({"low_umi": np.nan}, ValueError, "`low_umi=nan`"),
        ({"n_references": 0}, ValueError, "`n_references=0`"),
        ({"temperature": 0}, ValueError, "`temperature=0`: it has to be a finite number above 0"),
        ({"temperature": np.inf}, ValueError, "`temperature=inf`"),
        ({"n_neighbors": -1}, ValueError, "`n_neighbors=-1`: it has to be a finite number of at least 0"),
        ({"n_neighbors": 1.5}, ValueError, "`n_neighbors=1.5`: it has to be a whole number"),
        ({"likelihood": "negative_binomial"}, ValueError, "no likelihood 'negative_binomial'"),
        ({"layer": "spliced"}, KeyError, "no layer 'spliced'"),
    ],
)
def test_bad_options(adata, model, options, error, match):
    raises(adata, model, error, match, **options)


@pytest.mark.parametrize("bad", ["log", "empty cell", "missing batch", "new batch", "other genes", "order of genes"])
def test_bad_cells(adata, model, bad):
    error, match = {
        "log": (ValueError, "not a whole number"),
        "empty cell": (ValueError, "1 cells hold no UMI"),
        "missing batch": (KeyError, "batch"),
        "new batch": (ValueError, "b7"),
        "other genes": (ValueError, r"1 of 40 are missing \[\'gene 0\'\], 0 are unknown"),
        "order of genes": (ValueError, "in another order: gene 0 is"),
    }[bad]
    other = adata.copy()
    if bad == "log":
        other.X = other.X.log1p()
    elif bad == "empty cell":
        other.X = other.X.multiply(np.arange(other.n_obs)[:, None] != 4).tocsr()
    elif bad == "missing batch":
        del other.obs["batch"]
    elif bad == "new batch":
        other.obs["batch"] = "b7"
    elif bad == "other genes":
        other = other[:, 1:].copy()
    else:
        other = other[:, ::-1].copy()
    raises(other, model, error, match)


@pytest.mark.parametrize(
    ("options", "unfit"),
    [
        ({"gene_likelihood": "poisson"}, "gene_likelihood='poisson'"),
        ({"dispersion": "gene-cell"}, "dispersion='gene-cell'"),
    ],
)
def test_negative_binomial_needs_its_dispersion(adata, options, unfit):
    raises(adata, train(adata, **options), NotImplementedError, unfit, likelihood="nb")


def test_not_a_model(adata):
    raises(adata, "model", TypeError, "`model` is a str; expected a model with scVI's decoder")


def test_untrained_model(adata):
    scvi.model.SCVI.setup_anndata(adata)
    raises(adata, scvi.model.SCVI(adata), ValueError, "has not been trained")


def test_minified_model(adata, model):
    model.adata.obsm["mean"], model.adata.obsm["variance"] = model.get_latent_representation(return_dist=True)
    model.minify_adata(use_latent_qzm_key="mean", use_latent_qzv_key="variance")
    raises(adata, model, NotImplementedError, "minified data")


def test_weights_that_are_not_finite(adata, model):
    model.module.z_encoder.mean_encoder.bias.data[0] = np.nan
    raises(adata, model, ValueError, "training diverged")


@pytest.mark.parametrize(("layer", "match"), [("encoder", "embeds deep cells"), ("decoder", "moves shallow cells")])
def test_values_that_are_not_finite(adata, model, layer, match):
    module = model.module
    last = {"encoder": module.z_encoder.mean_encoder, "decoder": module.decoder.px_scale_decoder[0]}[layer]
    last.weight.data.fill_(3e38)
    raises(adata, model, ValueError, f"{match} at values that are not finite")


def test_progress_counts_the_shallow_cells(adata, model, capfd):
    ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI)
    n_shallow = adata.obs["joint_embedding_refined_entropy"].notna().sum()
    assert f"{n_shallow}/{n_shallow}" in capfd.readouterr().err
    ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI, progress_bar=False)
    assert capfd.readouterr().err == ""
