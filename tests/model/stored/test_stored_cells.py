"""A model of cells on the disk is the model of these cells in memory."""

from __future__ import annotations

import importlib.util
from unittest.mock import patch

import anndata as ad
import numpy as np
import pytest
import scvi
import torch
from annbatch import DatasetCollection
from helpers import counts_adata
from scipy.stats import t
from stores import content, written

from lowdepth.model import JointEmbedding, StoredCells
from lowdepth.model._nonzero_batches import NonzeroLoader
from lowdepth.model._seed import seeded
from lowdepth.model.stored import _stored_cells

KEYS = {"batch_key": "batch", "categorical_covariate_keys": ["site", "side"], "continuous_covariate_keys": ["age"]}
SMALL = {"n_latent": 4, "n_hidden": 16}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": None}


@pytest.fixture(scope="module")
def adata():
    adata = counts_adata(150)
    rng = np.random.default_rng(0)
    adata.obs["site"] = rng.choice(["here", "there", "nowhere"], adata.n_obs)
    adata.obs["side"] = rng.choice(["left", "right"], adata.n_obs)
    adata.obs["age"] = rng.normal(size=adata.n_obs)
    return adata


@pytest.fixture(scope="module")
def paths(adata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    return [written(adata[:70].copy(), folder / "one.h5ad"), written(adata[70:].copy(), folder / "two.zarr")]


@pytest.fixture(scope="module")
def cells(paths):
    return StoredCells(paths, **KEYS, progress_bar=False)


def in_memory(adata, **options):
    adata = adata.copy()
    JointEmbedding.setup_anndata(adata, **KEYS)
    return JointEmbedding(adata, **SMALL, **options)


def trained(model):
    """Let a model embed with the weights that it has."""
    model.module.eval()
    model.is_trained_ = True
    return model


def assert_same_registry(one, other):
    assert set(one) == set(other)
    for key in set(one) - {"_scvi_uuid"}:
        np.testing.assert_equal(one[key], other[key])


def test_the_registry_is_that_of_cells_in_memory(adata, cells):
    assert_same_registry(cells.registry, in_memory(adata).registry)


@pytest.mark.parametrize("preset", ["scvi", "paper", "denoise"])
def test_the_same_minibatch_has_the_same_loss(adata, cells, preset):
    with seeded(0):
        model = JointEmbedding(cells, preset=preset, **SMALL)
        other = in_memory(adata, preset=preset)
    other.module.load_state_dict(model.module.state_dict())
    batch = next(iter(cells.stream(cells.registry, batch_size=64, train_size=1.0).train_dataloader()))
    ages = adata.obs["age"].to_numpy(np.float32)
    index = [int(np.flatnonzero(ages == age)[0]) for age in batch["extra_continuous_covs"].ravel().numpy()]
    expected = next(iter(NonzeroLoader(other.adata_manager, index, batch_size=64)))
    assert set(batch) == set(expected)
    for key in set(batch) - {"X"}:
        assert torch.equal(batch[key], expected[key]), key
    losses = []
    for tensors, module in [(batch, model.module), (expected, other.module)]:
        torch.manual_seed(0)
        loss = module(tensors)[2].loss
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]
    for one, two in zip(model.module.parameters(), other.module.parameters(), strict=True):
        assert (one.grad is None and two.grad is None) or torch.equal(one.grad, two.grad)


def test_the_decoder_starts_at_the_same_means(adata, cells):
    ours, theirs = (
        model.module.decoder.px_scale_decoder[0].bias for model in (JointEmbedding(cells, **SMALL), in_memory(adata))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_the_width_is_that_of_as_many_cells(cells):
    with patch("lowdepth.model._joint_embedding.hidden_units_for", return_value=24) as width:
        model = JointEmbedding(cells)
    width.assert_called_once_with(150)
    assert model.module.z_encoder.encoder.fc_layers[0][0].out_features == 24


def test_the_same_weights_give_the_same_embedding(adata, cells):
    model, other = JointEmbedding(cells, **SMALL), in_memory(adata)
    other.module.load_state_dict(model.module.state_dict())
    for one in (model, other):
        trained(one)
    expected = other.get_latent_representation(return_dist=True)
    for ours, theirs in zip(model.get_latent_representation(return_dist=True), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.get_latent_representation(adata.copy()), other.get_latent_representation())
    np.testing.assert_array_equal(other.get_latent_representation(cells), model.get_latent_representation())


def test_training_comes_to_the_same_loss(adata, cells):
    def losses(make):
        found = []
        for seed in range(4):
            with seeded(seed):
                model = make()
                model.train(max_epochs=4, batch_size=50, **QUIET)
            found.append(float(model.history["train_loss"].iloc[-1, 0]))
        return np.array(found)

    ours, theirs = losses(lambda: JointEmbedding(cells, **SMALL)), losses(lambda: in_memory(adata))
    spread = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / 4)
    assert abs(ours.mean() - theirs.mean()) < t.ppf(1 - 1e-4, 6) * spread


def test_training_follows_the_seed_and_holds_cells_out(cells):
    histories = []
    for _ in range(2):
        with seeded(1):
            model = JointEmbedding(cells, **SMALL)
            model.train(max_epochs=2, batch_size=50, train_size=0.8, **QUIET)
        histories.append(model.history)
    assert len(histories[0]["elbo_validation"]) == 2
    for name, losses in histories[0].items():
        assert losses.equals(histories[1][name]), name


def test_a_saved_model_embeds_the_cells_again(adata, cells, paths, tmp_path):
    model = JointEmbedding(cells, **SMALL)
    model.train(max_epochs=1, **QUIET)
    expected = model.get_latent_representation()
    model.save(tmp_path / "model")
    loaded = JointEmbedding.load(tmp_path / "model", cells, accelerator="cpu")
    np.testing.assert_array_equal(loaded.get_latent_representation(), expected)
    lazy = ad.experimental.read_lazy(paths[1])
    np.testing.assert_allclose(loaded.get_latent_representation(lazy), expected[70:], rtol=1e-5, atol=1e-6)
    in_memory = JointEmbedding.load(tmp_path / "model", adata.copy(), accelerator="cpu")
    np.testing.assert_allclose(in_memory.get_latent_representation(), expected, rtol=1e-5, atol=1e-6)
    loaded.train(max_epochs=1, **QUIET)
    without = StoredCells(paths, progress_bar=False)
    with pytest.raises(ValueError, match="the model was trained with batch_key='batch'; pass the same to StoredCells"):
        JointEmbedding.load(tmp_path / "model", without, accelerator="cpu")


def test_a_batch_that_the_model_does_not_know(adata, cells, tmp_path):
    model = trained(JointEmbedding(cells, **SMALL))
    other = adata[:20].copy()
    other.obs["batch"] = "new"
    query = StoredCells(written(other, tmp_path / "query.h5ad"), **KEYS, progress_bar=False)
    with pytest.raises(ValueError, match=r"obs\['batch'\] holds 'new', which the model does not know"):
        model.get_latent_representation(query)


def test_cells_to_embed_are_not_shuffled_before(cells, adata, tmp_path):
    query = StoredCells(written(adata[:20].copy(), tmp_path / "query.h5ad"), **KEYS)
    assert trained(JointEmbedding(cells, **SMALL)).get_latent_representation(query).shape == (20, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["query.h5ad"]


@pytest.mark.filterwarnings(
    "ignore:Consolidated metadata is currently not part"
)  # zarr says so of what annbatch writes
def test_a_collection_is_trained_on_as_it_is(adata, paths, tmp_path):
    own = DatasetCollection(tmp_path / "own.zarr").add_adatas(
        paths[:1], dataset_size=40, shuffle_chunk_size=10, rng=np.random.default_rng(0)
    )
    before = content(tmp_path / "own.zarr")
    model = JointEmbedding(StoredCells(own, batch_key="batch", progress_bar=False), **SMALL)
    model.train(max_epochs=1, batch_size=20, **QUIET)
    assert model.get_latent_representation().shape == (70, 4)
    assert content(tmp_path / "own.zarr") == before


def test_where_the_shuffled_counts_go(paths, cells, tmp_path):
    assert cells.folder == paths[0].with_name("one.h5ad.lowdepth")
    assert StoredCells(ad.experimental.read_lazy(paths[0])).folder == cells.folder
    assert StoredCells(paths, folder=tmp_path).folder == tmp_path
    with pytest.raises(NotImplementedError, match="name a `folder` for that"):
        _ = StoredCells(ad.experimental.read_lazy(paths[1])).folder


def test_a_cell_without_a_batch(adata, tmp_path):
    other = adata.copy()
    other.obs.loc[other.obs_names[:3], "site"] = None
    path = written(other, tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=r"obs\['site'\] is missing for 3 cells"):
        StoredCells(path, batch_key="site")


def test_what_the_sparse_way_cannot_do(cells):
    with pytest.raises(ValueError, match="cannot take gene_likelihood='zinb'"):
        JointEmbedding(cells, preset="paper", gene_likelihood="zinb")


def test_single_cells_cannot_be_picked(cells):
    with pytest.raises(NotImplementedError, match="from the first to the last"):
        JointEmbedding(cells, **SMALL).get_latent_representation(indices=[1, 2])


def test_without_the_packages(paths):
    def found(name):
        return None if name == "annbatch" else importlib.util.find_spec(name)

    with (
        patch.object(_stored_cells, "find_spec", found),
        pytest.raises(ImportError, match=r'need annbatch: pip install "lowdepth\[scale\]"'),
    ):
        StoredCells(paths)


def test_the_split_has_a_seed_without_one(cells):
    with seeded(0):
        scvi.settings._seed = None
        runs = [cells.stream(cells.registry, batch_size=8, train_size=0.5).train_runs for _ in range(2)]
    np.testing.assert_array_equal(*runs)
