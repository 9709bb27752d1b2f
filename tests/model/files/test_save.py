"""What is saved comes back bit by bit, and goes on as scvi-tools' models do."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import scvi
import torch
from helpers import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from saved_models import TRAINING, assert_same_model, cells, load, model_of

import lowdepth as ld
from lowdepth.model._presets import PRESETS
from lowdepth.model._seed import seeded
from lowdepth.model.files._typed_json import from_json, to_json

ARCHIVE = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def trained():
    return model_of(cells(), train=True, covariates=True)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    trained.save(path)
    return path


def test_trained_model_comes_back(trained, folder):
    loaded = load(folder, cells())
    assert_same_model(loaded, trained)
    assert loaded.average_weights == trained.average_weights
    registries = [model.registry_["field_registries"] for model in (loaded, trained)]
    assert_same(dict(registries[0]), dict(registries[1]))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_come_back(preset, tmp_path):
    model = model_of(cells(), preset)
    model.save(tmp_path / "model")
    assert_same_model(load(tmp_path / "model", cells()), model)


@pytest.mark.parametrize("size", [{"use_observed_lib_size": False}, {"gene_likelihood": "zinb"}], ids=str)
def test_dense_models_come_back(size, tmp_path):
    model = model_of(cells(), "scvi", **size)
    model.save(tmp_path / "model")
    assert_same_model(load(tmp_path / "model", cells()), model)


def test_an_untrained_model_stays_so(tmp_path):
    model = model_of(cells())
    model.is_trained_ = False
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model", cells())
    assert not loaded.is_trained
    assert loaded.history is None


def test_of_other_cells_it_is_not_said_which_were_trained_on(trained, folder, tmp_path):
    load(folder, adata=False).save(tmp_path / "again")
    few, reordered = cells(n_obs=30), cells()[::-1].copy()
    query = ld.model.JointEmbedding.load_query_data(few, trained, accelerator="cpu")
    for model in (load(folder, few), load(folder, reordered), load(tmp_path / "again", reordered), query):
        assert (model.train_indices, model.validation_indices, model.test_indices) == (None, None, None)
    np.testing.assert_array_equal(load(folder, adata=False).train_indices, trained.train_indices)


def test_the_folder_is_json_and_weights(folder):
    names = sorted(path.name.partition("-")[0] for path in folder.iterdir())
    assert names == ["model.json", "weights"]
    document = json.loads((folder / "model.json").read_text("ascii"))
    assert document["versions"].keys() == {"lowdepth", "scvi-tools", "torch"}
    state = torch.load(folder / document["files"]["weights"]["name"], weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def test_settings_of_the_preset_are_saved(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS["denoise"], "n_layers", 1)
    monkeypatch.setitem(PRESETS["denoise"], "dropout_rate", 0.9)  # a later version might add one
    loaded = load(folder, cells())
    assert_same_model(loaded, trained)
    loaded.save(tmp_path / "again")
    again = load(tmp_path / "again", cells())
    assert_same_model(again, trained)
    assert again.module.z_encoder.encoder.fc_layers[0][-1].p == 0.1


def test_cells_are_saved_with_it(trained, tmp_path):
    trained.save(tmp_path / "model", save_anndata=True, compression="gzip")
    loaded = load(tmp_path / "model")
    assert_same_model(loaded, trained)
    np.testing.assert_array_equal(loaded.adata.X.toarray(), trained.adata.X.toarray())


def test_without_cells(trained, folder, tmp_path):
    with pytest.warns(UserWarning, match="no cells were saved .* and none were passed"):
        loaded = load(folder)
    assert loaded.adata is None
    np.testing.assert_array_equal(loaded.get_latent_representation(cells()), trained.get_latent_representation())
    loaded.save(tmp_path / "again", save_anndata=False)
    assert_same_model(load(tmp_path / "again", cells()), trained)


def test_no_cells_to_save(folder, tmp_path):
    with pytest.warns(UserWarning, match="save_anndata=True has no effect"):
        load(folder, adata=False).save(tmp_path / "model", save_anndata=True)


def test_training_goes_on(trained, folder):
    loaded = load(folder, cells())
    loaded.train(**TRAINING)
    assert len(loaded.history["train_loss"]) == 4
    assert loaded.history["cco_loss_train"].notna().all(axis=None)
    assert np.isfinite(loaded.get_latent_representation()).all()


def test_inherited_methods(trained, folder):
    results = []
    for model in (trained, load(folder, cells())):
        with seeded(0):
            genes = model.differential_expression(groupby="cell_type", group1="type 0", silent=True)
            results.append((model.get_normalized_expression(library_size=1e4), genes, float(model.get_elbo())))
    for one, other in zip(*results, strict=True):
        assert_same(one, other)


def test_registry_can_be_seen(trained, folder, capsys):
    registry = ld.model.JointEmbedding.load_registry(folder)
    assert_same(registry["field_registries"], dict(trained.registry_["field_registries"]))
    ld.model.JointEmbedding.view_setup_args(folder)
    assert "'continuous_covariate_keys': ['age']" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["str", "path", "model"])
def test_query_data(trained, folder, kind):
    query = cells(seed=1, n_obs=30)
    query.obs["batch"] = "new"
    reference = {"str": str(folder), "path": folder, "model": trained}[kind]
    with seeded(0):
        surgery = ld.model.JointEmbedding.load_query_data(query, reference, accelerator="cpu")
        surgery.train(**TRAINING, plan_kwargs={"weight_decay": 0.0})
    assert surgery.module.n_batch == 3
    assert surgery.get_latent_representation().shape == (30, 2)


def test_query_genes_are_arranged(folder):
    query = cells(seed=1)[:, ::-1].copy()
    ld.model.JointEmbedding.prepare_query_anndata(query, folder)
    assert list(query.var_names) == list(cells().var_names)
    assert load(folder, query).adata is query


def test_minified(trained, folder, tmp_path):
    model = load(folder, cells())
    latent, variance = model.get_latent_representation(return_dist=True)
    model.adata.obsm["X_latent_qzm"], model.adata.obsm["X_latent_qzv"] = latent, variance
    model.minify_adata()
    model.save(tmp_path / "model", save_anndata=True)
    loaded = load(tmp_path / "model")
    assert loaded.minified_data_type == model.minified_data_type == "latent_posterior_parameters"
    np.testing.assert_array_equal(loaded.get_latent_representation(), latent)
    with seeded(0):
        expected = model.get_normalized_expression(library_size=1e4)
    with seeded(0):
        pd.testing.assert_frame_equal(loaded.get_normalized_expression(library_size=1e4), expected)


@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
def test_best_checkpoint_of_scvi_tools(tmp_path):
    model = model_of(cells())
    checkpoint = scvi.train.SaveCheckpoint(
        dirpath=str(tmp_path), monitor="elbo_validation", save_top_k=-1, load_best_on_end=True
    )
    model.train(**{**TRAINING, "max_epochs": 3}, train_size=0.8, callbacks=[checkpoint])
    best = load(checkpoint.best_model_path, cells())
    assert best.is_trained
    np.testing.assert_array_equal(best.get_latent_representation(), model.get_latent_representation())


@pytest.mark.parametrize("kind", [scvi.model.SCVI, scvi.external.JointEmbeddingSCVI])
def test_models_of_scvi_tools(kind, tmp_path):
    adata = cells()
    kind.setup_anndata(adata, batch_key="batch", categorical_covariate_keys=["plate"])
    theirs = kind(adata, n_latent=2, n_hidden=8, gene_likelihood="nb")
    theirs.train(**TRAINING, log_every_n_steps=1)
    theirs.save(str(tmp_path / "theirs"), save_anndata=True)
    for adata in (None, cells()):
        ours = load(tmp_path / "theirs", adata, trusted=True)
        np.testing.assert_allclose(
            ours.get_latent_representation(), theirs.get_latent_representation(), rtol=1e-4, atol=1e-5
        )
    assert ours.module.use_joint_embedding == (kind is not scvi.model.SCVI)
    ours.save(tmp_path / "ours")
    assert_same_model(load(tmp_path / "ours", cells()), ours)
    query = ld.model.JointEmbedding.load_query_data(
        cells(seed=1), load(tmp_path / "theirs", adata=False, trusted=True), accelerator="cpu"
    )
    assert query.module.n_batch == 2


def test_our_own_model_that_scvi_tools_pickled(trained, tmp_path):
    scvi.external.JointEmbeddingSCVI.save(trained, str(tmp_path / "model"))
    assert_same_model(load(tmp_path / "model", cells(), trusted=True), trained)


def test_several_models_in_a_folder(tmp_path):
    models = {prefix: model_of(cells(), seed=seed) for seed, prefix in enumerate(["", "a_", "b_"])}
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        for prefix, model in models.items():
            model.save(tmp_path, prefix, overwrite=True)
    for prefix, model in models.items():
        assert_same_model(load(tmp_path, cells(), prefix=prefix), model)
    assert len(list(tmp_path.iterdir())) == 7
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwriting_is_asked_for(tmp_path):
    first, second = (model_of(cells(), seed=seed) for seed in range(2))
    first.save(tmp_path / "model", save_anndata=True)
    with pytest.raises(ValueError, match=r"model\.json' already exists.*overwrite=True"):
        second.save(tmp_path / "model")
    assert_same_model(load(tmp_path / "model"), first)
    second.save(tmp_path / "model", overwrite=True)
    assert_same_model(load(tmp_path / "model", cells()), second)
    assert len(list((tmp_path / "model").iterdir())) == 2  # the first one's cells are gone too


def test_arguments_for_cells_without_cells(tmp_path):
    with pytest.raises(TypeError, match=r"\['compression'\] are for writing the cells.*save_anndata=True"):
        model_of(cells()).save(tmp_path / "model", compression="gzip")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("held", [object(), torch.ones(2), pd.Series([1])], ids=lambda held: type(held).__name__)
def test_what_cannot_be_kept_is_named(held, tmp_path):
    model = model_of(cells())
    model.init_params_["kwargs"]["model_kwargs"]["prior"] = held
    with pytest.raises(TypeError, match=rf"(?s)settings\['prior'\] is .*a {type(held).__name__}, which"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_loading_leaves_the_random_state(folder):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load(folder, cells())
    assert torch.rand(1) == expected


@pytest.mark.parametrize("path", sorted(ARCHIVE.glob("model-v*")), ids=lambda path: path.name)
def test_archived_models_are_read_forever(path):
    with np.load(path / "cells.npz", allow_pickle=False) as archived:
        columns = {name: archived[name] for name in ("batch", "sex", "plate", "age")}
        counts, genes, latent = (archived[name] for name in ("counts", "genes", "latent"))
    adata = ad.AnnData(sp.csr_matrix(counts), pd.DataFrame(columns).set_axis(map(str, range(30))))
    adata.var_names = genes
    model = load(path, adata)
    np.testing.assert_allclose(model.get_latent_representation(), latent, rtol=1e-4, atol=1e-5)
    assert len(model.history["train_loss"]) == 2
    model.train(**TRAINING)


def test_there_is_an_archived_model():
    assert (ARCHIVE / "model-v1" / "model.json").exists()


CATEGORIES = {
    # half a character, which pandas can hold where it does not keep its strings in pyarrow
    "strings": ["x", "", "ü" if find_spec("pyarrow") else "ü\ud800"],
    "integers": [3, 5, 2**40],
    "bools": [True, False],
    "floats": [0.5, -0.0, 1e300],
    "dates": pd.to_datetime(["2020-01-01", "2021-05-05"]),
    "zoned": pd.to_datetime(["2020-01-01", "2021-05-05"]).tz_localize("Europe/Berlin"),
    "intervals": pd.interval_range(0, 3),
    "unused": pd.Categorical(["a", "b"], categories=["b", "a", "c"], ordered=True),
}


@pytest.mark.parametrize("categories", CATEGORIES)
def test_categories_come_back_with_their_type(categories, tmp_path):
    def batched():
        adata = cells()
        values = pd.Series(CATEGORIES[categories])
        adata.obs["batch"] = values.iloc[np.arange(adata.n_obs) % len(values)].to_numpy()
        adata.obs["batch"] = adata.obs["batch"].astype(values.dtype)
        return adata

    model = model_of(batched())
    model.save(tmp_path / "model")
    fields = [
        registry["field_registries"]["batch"]
        for registry in (model.registry_, ld.model.JointEmbedding.load_registry(tmp_path / "model"))
    ]
    assert_same(*fields)
    assert_same_model(load(tmp_path / "model", batched()), model)


def object_array(items):
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters()),
    hnp.arrays(st.sampled_from(["i1", "u8", "f4", "f8", "?", "U5", "M8[ns]", "m8[s]", ">i4"]), ()).map(lambda a: a[()]),
    st.builds(pd.Interval, st.integers(0, 5), st.integers(6, 9), st.sampled_from(["left", "right", "both", "neither"])),
    st.datetimes().map(pd.Timestamp),
)
ARRAYS = hnp.arrays(
    st.sampled_from(["i1", "i8", "u2", "u8", "f2", "f4", "f8", "?", "U3", "M8[us]", "M8[D]", ">f8", ">M8[ms]"]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
)
MIXED = st.lists(SCALARS | st.tuples(SCALARS, SCALARS), max_size=4).map(object_array)
VALUES = st.recursive(
    SCALARS | ARRAYS | MIXED,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.just("__type__"), inner, max_size=3)
    ),
    max_leaves=8,
)


def assert_equal(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        if one.dtype != object:
            assert one.tobytes() == other.tobytes() or np.array_equal(one, other, equal_nan=True)
            return
        one, other = one.tolist(), other.tolist()
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_equal(*pair)
    elif isinstance(one, np.generic):
        assert_equal(np.asarray(one), np.asarray(other))
    else:
        assert one == other
        assert repr(one) == repr(other)  # -0.0 is not 0.0


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_any_value_comes_back(value):
    assert_equal(from_json(json.loads(json.dumps(to_json(value, "it"), allow_nan=False))), value)


@given(st.floats(width=64))
def test_floats_that_json_lacks(value):
    np.testing.assert_array_equal(from_json(json.loads(json.dumps(to_json(value, "it"), allow_nan=False))), value)


def test_history_of_any_numbers():
    frame = pd.DataFrame({"loss": np.array([1.5, np.nan, 3], object)}, index=pd.Index([0, 1, 2], name="epoch"))
    pd.testing.assert_frame_equal(from_json(json.loads(json.dumps(to_json(frame, "it")))), frame)


@pytest.mark.parametrize("value", [np.longdouble(1), np.array([1j]), b"x", {1, 2}, np.zeros(1, "i4,f4")], ids=repr)
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match=r"the setting is .*which a model file cannot hold"):
        to_json(value, "the setting")
