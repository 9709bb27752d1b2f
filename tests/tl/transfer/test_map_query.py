"""New cells come to lie where the model would have put them, and the model stays as it is."""

from __future__ import annotations

import anndata as ad
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from helpers import CONTAINERS, assert_unchanged, counts_adata

import lowdepth as ld
from lowdepth.tl._transfer import _material

# one test worker trains
pytestmark = pytest.mark.xdist_group("query")

FAST = {"accelerator": "cpu", "progress_bar": False}
TRAINING = {"max_epochs": 3, "batch_size": 64, "n_latent": 4, "low_umi": 100, **FAST}
LABELS = {"n_references": 100}
SLOTS = ("label_transfer", "label_transfer_confidence", "label_transfer_entropy", "label_transfer_typicality")


@pytest.fixture(scope="module")
def cells():
    return counts_adata(240)


@pytest.fixture(scope="module")
def model(cells):
    return ld.tl.joint_embedding(cells[:160].copy(), batch_key="batch", **TRAINING)


@pytest.fixture(scope="module")
def latent(model, cells):
    """Where the model itself puts the query."""
    return model.get_latent_representation(cells[160:].copy())


@pytest.fixture
def query(cells):
    query = cells[160:].copy()
    query.obsm.clear()
    return query


def weights(model):
    return {name: values.clone() for name, values in model.module.state_dict().items()}


@pytest.fixture(autouse=True)
def _model_stays_as_it_is(model, latent):
    before = weights(model), set(model._per_instance_manager_store[model.id]), model.module.training
    with assert_unchanged(model.adata):
        yield
    for name, values in weights(model).items():
        torch.testing.assert_close(values, before[0][name], rtol=0, atol=0)
    assert (set(model._per_instance_manager_store[model.id]), model.module.training) == before[1:]


def test_the_embedding_is_the_model_s(model, query, latent):
    assert ld.tl.map_query(query, model) is model
    np.testing.assert_allclose(query.obsm["X_joint_embedding"], latent, atol=1e-6)
    assert query.uns["joint_embedding"]["params"] == {"surgery": False, "min_shared": 0.5, "rng": 0}
    assert query.uns["joint_embedding"]["n_shared_genes"] == query.n_vars
    assert set(query.obs) == {"cell_type", "batch"}


def test_mapped_again_is_mapped_the_same(model, query):
    once = query.copy()
    for adata in (once, query, query):
        ld.tl.map_query(adata, model, label_key="cell_type", low_umi=100, progress_bar=False, **LABELS)
    pd.testing.assert_frame_equal(once.obs, query.obs)


def test_training_cells_come_to_lie_where_they_lay(model):
    again = model.adata.copy()
    ld.tl.map_query(again, model, key_added="X_again")
    np.testing.assert_allclose(again.obsm["X_again"], again.obsm["X_joint_embedding"], atol=1e-6)


@pytest.mark.parametrize("container", CONTAINERS)
def test_order_of_genes_further_genes_and_container(container, model, query):
    ld.tl.map_query(query, model)
    more = sp.hstack([query.X, np.full((query.n_obs, 2), 7, np.float32)])
    other = ad.AnnData(sp.csr_matrix(more), query.obs.copy(), pd.DataFrame(index=[*query.var_names, "other", "more"]))
    other = other[:, np.random.default_rng(0).permutation(42)].copy()
    other.X = CONTAINERS[container](other.X.toarray())
    ld.tl.map_query(other, model)
    np.testing.assert_allclose(other.obsm["X_joint_embedding"], query.obsm["X_joint_embedding"], atol=1e-6)


def test_missing_genes_count_as_not_expressed(model, query):
    silent = query.copy()
    silent.X = sp.csr_matrix(silent.X.multiply(np.arange(40) >= 5))
    ld.tl.map_query(silent, model)
    fewer = query[:, 5:].copy()
    with pytest.warns(UserWarning, match=r"has 35 of the 40 genes.*the 5 missing ones count as not expressed"):
        ld.tl.map_query(fewer, model)
    np.testing.assert_allclose(fewer.obsm["X_joint_embedding"], silent.obsm["X_joint_embedding"], atol=1e-6)
    assert fewer.uns["joint_embedding"]["n_missing_genes"] == 5


def test_genes_that_the_query_lacks_are_silent_in_its_reference(model, query):
    silent, reference = query.copy(), model.adata.copy()
    for cells in (silent, reference):
        cells.X = sp.csr_matrix(cells.X.multiply(np.arange(40) >= 5))
    reference.uns["cell_type_colors"] = np.array(["#ff0000", "#00ff00", "#0000ff"])
    ld.tl.map_query(silent, model, reference=reference, label_key="cell_type", **LABELS)
    loud = model.adata.copy()
    loud.uns["cell_type_colors"] = reference.uns["cell_type_colors"]
    fewer = query[:, 5:].copy()
    with pytest.warns(UserWarning, match="count as not expressed"), assert_unchanged(loud):
        ld.tl.map_query(fewer, model, reference=loud, label_key="cell_type", **LABELS)
    for name in SLOTS:  # zeros are multiplied in one case and missing in the other, which rounds differently
        pd.testing.assert_series_equal(fewer.obs[name], silent.obs[name], rtol=1e-3, atol=1e-6)
    assert list(fewer.uns["label_transfer_colors"]) == list(reference.uns["cell_type_colors"])


def test_a_layer_of_counts(model, query):
    ld.tl.map_query(query, model)
    query.layers["counts"] = query.X.copy()
    query.X = query.X.log1p()
    ld.tl.map_query(query, model, layer="counts", key_added="X_other")
    np.testing.assert_array_equal(query.obsm["X_other"], query.obsm["X_joint_embedding"])
    assert "other" in query.uns


def test_order_of_cells_does_not_matter(model, query):
    ld.tl.map_query(query, model)
    order = np.random.default_rng(0).permutation(query.n_obs)
    shuffled = query[order].copy()
    ld.tl.map_query(shuffled, model)
    np.testing.assert_allclose(
        shuffled.obsm["X_joint_embedding"], query.obsm["X_joint_embedding"][order], rtol=1e-5, atol=1e-6
    )


def test_a_new_batch_is_embedded_like_the_others(model, query, latent):
    query.obs["batch"] = query.obs["batch"].cat.rename_categories({"b1": "new"})
    with pytest.warns(UserWarning, match=r"lacks batches: it takes 'new' for 'b[01]' where it decodes"):
        ld.tl.map_query(query, model)
    np.testing.assert_allclose(query.obsm["X_joint_embedding"], latent, atol=1e-6)
    assert list(query.obs["batch"].cat.categories) == ["b0", "new"]


def two_batches(seed):
    """Give cells of one kind whose batches express other genes."""
    rng = np.random.default_rng(seed)
    batch = np.arange(120) % 2
    profile = np.where((np.arange(30) < 15) == (batch == 0)[:, np.newaxis], 12.0, 3.0)
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(profile).astype(np.float32)))
    adata.obs["sample"] = pd.Categorical([f"s{b}" for b in batch])
    return adata


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("encode_covariates", [False, True])
def test_a_new_batch_is_taken_for_the_one_it_resembles(encode_covariates, lazy):
    adata, query = two_batches(0), two_batches(1)
    options = {"max_epochs": 15, "batch_size": 32, "n_latent": 2, "low_umi": 50, **FAST, "preset": "scvi"}
    model = ld.tl.joint_embedding(adata, batch_key="sample", encode_covariates=encode_covariates, **options)
    expected = model.get_latent_representation(query.copy())
    query.obs["sample"] = query.obs["sample"].cat.rename_categories(["like s0", "like s1"])
    if lazy:
        query.X = da.from_array(query.X, chunks=(7, -1))
    with pytest.warns(UserWarning, match="'like s0' for 's0', 'like s1' for 's1'"):
        ld.tl.map_query(query, model)
    table = query.uns["joint_embedding"]["batches"]
    assert dict(zip(table["batch"], table["taken_for"], strict=True)) == {"like s0": "s0", "like s1": "s1"}
    np.testing.assert_allclose(query.obsm["X_joint_embedding"], expected, atol=1e-5)


def test_a_model_without_batches(cells, query):
    model = ld.tl.joint_embedding(cells[:160].copy(), **TRAINING)
    del query.obs["batch"]
    ld.tl.map_query(query, model)
    assert query.obsm["X_joint_embedding"].shape == (80, 4)


def test_labels_are_those_of_label_transfer(model, query):
    query.uns["cell_type_colors"] = np.array(["#000000"] * 3)
    expected = query.copy()
    ld.tl.label_transfer(expected, "cell_type", model=model, reference=model.adata, **LABELS)
    query.obs["cell_type"] = "what nobody knows"
    ld.tl.map_query(query, model, label_key="cell_type", **LABELS)
    for name in SLOTS:
        pd.testing.assert_series_equal(query.obs[name], expected.obs[name])
    np.testing.assert_array_equal(query.obsm["label_transfer_probability"], expected.obsm["label_transfer_probability"])
    np.testing.assert_array_equal(query.obs["label_transfer_typicality"], expected.obs["label_transfer_typicality"])
    assert set(query.uns["label_transfer"]) == set(expected.uns["label_transfer"])
    assert (query.obs["cell_type"] == "what nobody knows").all()


def test_the_reference_keeps_its_names_where_the_query_lacks_genes(model, query, monkeypatch):
    asked = []
    calibrated_on = _material.to_calibrate_on
    monkeypatch.setattr(
        _material, "to_calibrate_on", lambda names, model: asked.append(names) or calibrated_on(names, model)
    )
    with pytest.warns(UserWarning, match="missing ones count as not expressed"):
        ld.tl.map_query(query[:, 1:].copy(), model, label_key="cell_type", **LABELS)
    assert set(asked[0]) <= set(model.adata.obs_names)


def test_labels_of_a_model_without_cells_in_memory(cells, query, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    stored = ld.tl.joint_embedding(tmp_path / "cells.h5ad", batch_key="batch", **TRAINING | {"max_epochs": 1})
    with assert_unchanged(query), pytest.raises(ValueError, match=r"holds no cells in memory .* as `reference=`"):
        ld.tl.map_query(query, stored, label_key="cell_type", **LABELS)
    ld.tl.map_query(query, stored, label_key="cell_type", reference=cells, **LABELS)
    assert query.obs["label_transfer"].notna().all()


def test_labels_of_a_new_batch_with_a_reference_and_a_name(model, query):
    query.obs["batch"] = "new"
    reference = model.adata[40:].copy()
    reference.obs["kind"] = reference.obs["cell_type"]
    options = {"reference": reference, "label_key": "kind", "transfer": "kind", "method": "depth_matched"}
    with pytest.warns(UserWarning, match="lacks batches"), assert_unchanged(reference):
        ld.tl.map_query(query, model, **options, **LABELS)
    assert query.uns["kind"]["params"]["method"] == "depth_matched"
    assert query.obsm["kind_probability"].shape == (80, 3)
    ld.pp.depth_metrics(query)
    ld.tl.prediction_sets(query, transfer="kind")
    assert query.obsm["prediction_sets"].shape == (80, 3)


def test_surgery_learns_the_batch_and_keeps_the_embedding(model, query, latent):
    query.obs["batch"] = "new"
    mapped_by = ld.tl.map_query(query, model, surgery=True, max_epochs=2, label_key="cell_type", **LABELS, **FAST)
    assert mapped_by is not model
    np.testing.assert_allclose(query.obsm["X_joint_embedding"], latent, atol=1e-5)
    registry = mapped_by.adata_manager.get_state_registry("batch")
    assert list(registry.categorical_mapping) == ["b0", "b1", "new"]
    name = "decoder.px_decoder.fc_layers.Layer 0.0.weight"
    old, new = weights(model)[name], weights(mapped_by)[name]
    torch.testing.assert_close(new[:, : old.shape[1]], old, rtol=0, atol=0)
    assert new.shape[1] == old.shape[1] + 1
    assert query.obs["label_transfer"].notna().all()
    assert set(query.obs) == {"cell_type", "batch", *SLOTS}


def test_surgery_moves_cells_where_the_encoder_sees_batches(cells, query):
    adata = cells[:160].copy()
    model = ld.tl.joint_embedding(adata, batch_key="batch", preset="scvi", encode_covariates=True, **TRAINING)
    expected = model.get_latent_representation(query.copy())
    query.obs["batch"] = "new"
    ld.tl.map_query(query, model, surgery=True, max_epochs=2, **FAST)
    assert not np.allclose(query.obsm["X_joint_embedding"], expected, atol=1e-3)


def test_surgery_leaves_the_random_state(model, query):
    query.obs["batch"] = "new"
    latents = []
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    for seed in (0, 0):
        mapped_by = ld.tl.map_query(query, model, surgery=True, max_epochs=1, rng=seed, **FAST)
        latents.append(weights(mapped_by)["decoder.px_decoder.fc_layers.Layer 0.0.weight"])
    assert torch.rand(1) == expected
    torch.testing.assert_close(*latents, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_slots_survive_a_file(kind, model, query, tmp_path):
    query.obs["batch"] = "donor/3"
    with pytest.warns(UserWarning, match="lacks batches"):
        ld.tl.map_query(query, model, label_key="cell_type", **LABELS)
    path = tmp_path / f"query.{kind}"
    getattr(query, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    assert list(read.uns["joint_embedding"]["batches"]["batch"]) == ["donor/3"]
    np.testing.assert_array_equal(read.obsm["X_joint_embedding"], query.obsm["X_joint_embedding"])


def without(adata, *, genes=0, batch=False):
    adata = adata[:, genes:].copy()
    if batch:
        del adata.obs["batch"]
    return adata


def some_missing(adata):
    adata.obs.loc[adata.obs_names[:3], "batch"] = np.nan
    return adata


def twice(adata):
    adata.var_names = ["gene 1", *adata.var_names[1:]]
    return adata


def empty(adata):
    adata.X = sp.csr_matrix(adata.X.multiply((np.arange(adata.n_obs) >= 2)[:, np.newaxis]))
    return adata


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(
    ("change", "options", "refusal"),
    [
        (lambda adata: without(adata, genes=21), {}, (ValueError, "has 19 of the 40 genes.*`min_shared=0.5`.*gene 0")),
        (lambda adata: without(adata, batch=True), {}, (KeyError, r"adata.obs\['batch'\] is missing")),
        (some_missing, {}, (ValueError, "missing for 3 cells")),
        (twice, {}, (ValueError, "names the gene 'gene 1' twice")),
        (empty, {}, (ValueError, "2 cells hold no UMI in the genes of `model`")),
        (lambda adata: adata, {"layer": "raw"}, (KeyError, "no layer 'raw'")),
        (lambda adata: adata, {"label_key": "cell_typ"}, (KeyError, "did you mean 'cell_type'")),
        (lambda adata: adata, {"reference": counts_adata()}, (ValueError, "labels need `label_key=`")),
        (lambda adata: adata, {"label_key": "cell_type", "method": "best"}, (ValueError, "no method 'best'")),
        (lambda adata: adata, {"label_key": "cell_type", "n_neighbors": 0}, (ValueError, "`n_neighbors=0`")),
    ],
)
def test_errors_leave_the_query_unchanged(change, options, refusal, model, query):
    query = change(query)
    error, message = refusal
    with assert_unchanged(query), pytest.raises(error, match=message):
        ld.tl.map_query(query, model, **options)


def test_other_models_are_refused(query, model):
    with assert_unchanged(query), pytest.raises(TypeError, match="`model` is a str"):
        ld.tl.map_query(query, "model")


def test_two_records_do_not_share_a_name(model, query):
    message = r"`key_added='X_new'` and `transfer='new'` would share uns\['new'\]; rename one"
    with assert_unchanged(query), pytest.raises(ValueError, match=message):
        ld.tl.map_query(query, model, label_key="cell_type", key_added="X_new", transfer="new")
