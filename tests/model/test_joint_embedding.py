"""The model is scvi-tools' own under the same seed, and keeps all that it inherits."""

from __future__ import annotations

import logging
import warnings
from itertools import combinations

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import scvi
import torch
from helpers import assert_unchanged, counts_adata, same_thinning
from lightning.pytorch.callbacks import LambdaCallback

import lowdepth as ld
from lowdepth.model import _presets
from lowdepth.model._nonzero_batches import NonzeroLoader
from lowdepth.model._presets import PRESETS
from lowdepth.model._seed import seeded

TRAINING = {"max_epochs": 2, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False}
UPSTREAM = {"scvi": scvi.model.SCVI, "paper": scvi.external.JointEmbeddingSCVI}


def trained(preset="paper", adata=None, seed=0, **model_kwargs):
    adata = counts_adata(80) if adata is None else adata
    with seeded(seed):
        ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
        model = ld.model.JointEmbedding(adata, preset=preset, **model_kwargs)
        model.train(**TRAINING)
    return model


def trained_upstream(preset, adata, seed=0):
    with seeded(seed):
        UPSTREAM[preset].setup_anndata(adata, batch_key="batch")
        model = UPSTREAM[preset](adata, n_latent=32, gene_likelihood="nb")
        model.train(train_size=1.0, plan_kwargs={"lr": 0.004}, log_every_n_steps=1, **TRAINING)
    return model


@pytest.fixture(scope="module", params=["paper", "denoise"])
def model(request):
    return trained(request.param)


def test_lightning_and_its_warnings_are_not_heard(caplog):
    with caplog.at_level(logging.INFO), warnings.catch_warnings(action="always", record=True) as warned:
        model = trained(n_latent=2, n_hidden=8)
        model.get_latent_representation()
    assert not [record for record in caplog.records if record.name.startswith("lightning")]
    # what users see: Python shows deprecations to those whose own code they are in
    assert not [warning for warning in warned if not issubclass(warning.category, DeprecationWarning)]
    assert logging.getLogger("lightning.pytorch").level == logging.INFO


@pytest.mark.parametrize(
    ("name", "meant"), [("n_hiden", "n_hidden"), ("n_epochs", "max_epochs"), ("encoder_inputs", "encoder_input")]
)
def test_a_setting_with_a_slip_in_its_name(name, meant):
    adata = counts_adata(20)
    with assert_unchanged(adata), pytest.raises(TypeError, match=rf"no setting '{name}'.*did you mean '{meant}'\?"):
        ld.tl.joint_embedding(adata, max_epochs=1, low_umi=50, **{name: 1})


@pytest.mark.parametrize("preset", UPSTREAM)
def test_preset_trains_as_scvi_tools_does(preset):
    with same_thinning():
        ours, theirs = (
            trained(preset, counts_adata(80), precision="float32"),
            trained_upstream(preset, counts_adata(80)),
        )
    np.testing.assert_allclose(
        ours.get_latent_representation(), theirs.get_latent_representation(), rtol=1e-3, atol=1e-4
    )
    losses = [model.history["train_loss"].astype(float) for model in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("preset", UPSTREAM)
def test_weights_move_between_scvi_tools_and_us(preset):
    theirs = trained_upstream(preset, counts_adata(80))
    ours = trained(preset, counts_adata(80), seed=1)
    assert not np.allclose(ours.get_latent_representation(), theirs.get_latent_representation())
    ours.module.load_state_dict(theirs.module.state_dict())
    np.testing.assert_allclose(ours.get_latent_representation(), theirs.get_latent_representation(), atol=1e-5)
    theirs.module.load_state_dict(ours.module.state_dict())


def test_presets_differ():
    latents = [trained(preset).get_latent_representation() for preset in PRESETS]
    assert all(not np.allclose(one, other) for one, other in combinations(latents, 2))


def test_denoising_sees_the_same_in_dense_and_in_sparse_cells():
    adata = counts_adata(80)
    adata.X = adata.X.toarray()
    latents = [trained("denoise", adata=data).get_latent_representation() for data in (adata, counts_adata(80))]
    np.testing.assert_allclose(*latents, atol=1e-4)


def test_validation_of_dense_and_of_sparse_cells_is_one():
    losses = []
    for dense in (True, False):
        adata = counts_adata(120)
        adata.X = adata.X.toarray() if dense else adata.X
        with seeded(0):
            ld.model.JointEmbedding.setup_anndata(adata)
            model = ld.model.JointEmbedding(adata, preset="denoise", precision="float32")
            model.train(**TRAINING, train_size=0.8)
        losses.append(model.history["validation_loss"].astype(float))
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_denoising_without_cross_correlation():
    adata = counts_adata(80)
    settings = {"use_joint_embedding": False, "reconstruction_weight": 1.0}
    alone = trained("denoise", adata=adata, **settings)
    nothing = trained("denoise", adata=adata.copy(), **settings, denoising_weight=0.0)
    assert "cco_loss_train" not in alone.history
    # the thinned view doubles what has to be explained
    ratio = alone.history["train_loss"].astype(float) / nothing.history["train_loss"].astype(float)
    assert (ratio > 1.5).all(axis=None)


@pytest.mark.parametrize("refused", [{"gene_likelihood": "zinb"}, {"log_variational": False}], ids=str)
def test_denoising_says_what_it_cannot_do(refused):
    adata = counts_adata()
    ld.model.JointEmbedding.setup_anndata(adata)
    ((name, value),) = refused.items()
    with pytest.raises(ValueError, match=f"denoising_weight.*cannot take {name}={value!r}"):
        ld.model.JointEmbedding(adata, preset="denoise", **refused)


def test_width_of_the_default_is_kept_when_fewer_cells_come(monkeypatch):
    monkeypatch.setattr(_presets, "MANY_CELLS", 60)
    adata = counts_adata(60)
    ld.model.JointEmbedding.setup_anndata(adata)
    model = ld.model.JointEmbedding(adata)
    model.train(**TRAINING)
    few = ld.model.JointEmbedding.load_query_data(counts_adata(40), model)
    assert model.module.n_hidden == few.module.n_hidden == 256


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1.0, 0.5, 0.0, 0.0]),
        ({"reconstruction_epochs": 4}, [1.0, 0.75, 0.5, 0.25]),
        ({"denoising_weight": 0.0}, [1.0] * 4),
        ({"reconstruction_weight": 0.5}, [0.5] * 4),
        ({"preset": "paper"}, [1.0] * 4),
    ],
    ids=str,
)
def test_full_view_is_decoded_less_and_less(settings, expected, monkeypatch):
    presets = {**_presets.PRESETS, "denoise": {**_presets.PRESETS["denoise"], "reconstruction_epochs": 2}}
    monkeypatch.setattr(_presets, "PRESETS", presets)
    adata = counts_adata(60)
    ld.model.JointEmbedding.setup_anndata(adata)
    model = ld.model.JointEmbedding(adata, **settings)
    weights = []
    watch = LambdaCallback(on_train_epoch_end=lambda *_: weights.append(model.module.reconstruction_weight))
    # in two trainings, which count together
    model.train(**{**TRAINING, "max_epochs": 1}, callbacks=[watch])
    model.train(**{**TRAINING, "max_epochs": 3}, callbacks=[watch])
    assert weights == expected


def test_what_is_reported_does_not_change_while_the_full_view_fades():
    model = trained("denoise")
    minibatch = next(iter(NonzeroLoader(model.adata_manager, batch_size=80)))
    outputs = []
    for weight in (1.0, 0.0):
        with seeded(0):
            outputs.append(model.module.train()(minibatch, loss_kwargs={"reconstruction_weight": weight})[2])
    torch.testing.assert_close(outputs[0].reconstruction_loss, outputs[1].reconstruction_loss)
    assert outputs[0].loss > outputs[1].loss


def test_decoder_starts_at_the_data():
    adata = counts_adata(500)
    ld.model.JointEmbedding.setup_anndata(adata)
    model = ld.model.JointEmbedding(adata, preset="denoise")
    umis = np.asarray(adata.X.sum(axis=0)).ravel()
    start = model.module.decoder.px_scale_decoder[0].bias.detach().softmax(0)
    np.testing.assert_allclose(start, umis / umis.sum(), rtol=0.02)


def test_settings_go_over_the_preset():
    model = trained("paper", n_latent=5, joint_embedding_weight=10.0)
    assert model.module.n_latent == 5
    assert model.module.joint_embedding_weight == 10.0
    assert model.module.lambda_off_diag == 0.01


def test_unknown_preset_is_named(model):
    with pytest.raises(ValueError, match=r"there is no preset 'papers'.*did you mean 'paper'"):
        ld.model.JointEmbedding(model.adata, preset="papers")


def test_same_seed_same_result_and_random_state_untouched():
    adata = counts_adata(80)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002  the global state is what is tested
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    models = [trained(adata=adata.copy(), seed=seed) for seed in (0, 0, 1)]
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002
    latents = [model.get_latent_representation() for model in models]
    np.testing.assert_array_equal(latents[0], latents[1])
    assert not np.allclose(latents[0], latents[2])


def test_seed_setting_of_scvi_tools_is_restored():
    before = scvi.settings.seed
    with seeded(3):
        assert scvi.settings.seed == 3
    assert scvi.settings.seed == before


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = ld.model.JointEmbedding.load(tmp_path / "model", model.adata, accelerator="cpu")
    np.testing.assert_array_equal(loaded.get_latent_representation(), model.get_latent_representation())
    assert loaded.init_params_ == model.init_params_
    assert loaded.init_params_["non_kwargs"] == model.init_params_["non_kwargs"]
    assert loaded.module.encoder_input == model.module.encoder_input


def test_inherited_methods(model):
    adata = model.adata
    assert model.get_normalized_expression(library_size=1e4).shape == adata.shape
    assert model.get_normalized_expression(library_size=1e4, n_samples=3).shape == adata.shape
    assert np.isfinite(float(model.get_elbo()))
    assert np.isfinite(model.get_marginal_ll(n_mc_samples=4))
    genes = model.differential_expression(groupby="cell_type", group1="type 0", group2="type 1", silent=True)
    assert sorted(genes.index) == sorted(adata.var_names)


@pytest.mark.parametrize("method", ["get_latent_representation", "get_normalized_expression", "get_elbo"])
def test_cells_with_genes_in_another_order_are_refused(model, method):
    other = counts_adata(seed=1)
    other.X = other.X.toarray()
    expected = model.get_latent_representation(other.copy())
    with pytest.raises(ValueError, match=r"another order: gene 0 is .*take `adata\[:, model.get_var_names\(\)\]`"):
        getattr(model, method)(other[:, ::-1].copy())
    in_order = other[:, ::-1][:, model.get_var_names()].copy()
    np.testing.assert_allclose(model.get_latent_representation(in_order), expected, atol=1e-5)


def test_training_goes_on_where_it_stopped():
    model = trained()
    model.train(**TRAINING)
    cross_correlation = model.history["cco_loss_train"].astype(float)
    assert len(cross_correlation) == 4
    assert cross_correlation.notna().all(axis=None)


def test_query_data_of_a_new_batch(model):
    query = counts_adata(40, seed=2)
    query.obs["batch"] = "new"
    with seeded(0):
        surgery = ld.model.JointEmbedding.load_query_data(query, model, accelerator="cpu")
        surgery.train(**TRAINING, plan_kwargs={"weight_decay": 0.0})
    assert surgery.get_latent_representation().shape == (40, 32)
    assert surgery.module.joint_embedding_weight == model.module.joint_embedding_weight


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson"])
@pytest.mark.parametrize("container", ["dense", "csr"])
def test_likelihoods_and_containers(likelihood, container):
    adata = counts_adata(80)
    adata.X = adata.X.toarray() if container == "dense" else adata.X
    latent = trained(adata=adata, gene_likelihood=likelihood).get_latent_representation()
    assert np.isfinite(latent).all()
    assert (latent.std(axis=0) > 0).all()


def test_loss_falls():
    adata = counts_adata(200, depth=1000.0)
    with seeded(0):
        ld.model.JointEmbedding.setup_anndata(adata)
        model = ld.model.JointEmbedding(adata)
        model.train(**{**TRAINING, "max_epochs": 30})
    loss = model.history["train_loss"].to_numpy(float).ravel()
    assert loss[-1] < 0.8 * loss[0]


@pytest.mark.filterwarnings("ignore:.*fewer than 3 cells")  # scvi-tools, on batches of the smallest data
@pytest.mark.parametrize("n_obs", [65, 33, 5])
def test_last_batch_of_one_and_fewer_cells_than_a_batch(n_obs):
    latent = trained(adata=counts_adata(n_obs)).get_latent_representation()
    assert np.isfinite(latent).all()


@pytest.mark.filterwarnings("ignore:.*formatted as CSR")  # scvi-tools, about its own way
def test_csc_gives_the_same_result():
    adata = counts_adata(80)
    adata.X = adata.X.tocsc()
    latents = [trained(adata=data).get_latent_representation() for data in (adata, counts_adata(80))]
    np.testing.assert_array_equal(*latents)


@pytest.mark.parametrize("sparse", [sp.csr_array, sp.csc_array])
def test_setup_refuses_sparse_arrays_by_name(sparse):
    adata = counts_adata()
    adata.X = sparse(adata.X)
    with assert_unchanged(adata), pytest.raises(TypeError, match=rf"{sparse.__name__}.*scipy.sparse.csr_matrix"):
        ld.model.JointEmbedding.setup_anndata(adata)


def test_dense_minibatches_where_the_quick_way_ends(caplog):
    with caplog.at_level(logging.INFO, logger="lowdepth"):
        trained(gene_likelihood="zinb")
    notices = [record for record in caplog.records if "dense minibatches" in record.message]
    assert len(notices) == 1
    assert "gene_likelihood='zinb'" in notices[0].message


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_validation_sees_the_objective_and_early_stopping_can_watch_it(likelihood):
    adata = counts_adata(120)
    with seeded(0):
        ld.model.JointEmbedding.setup_anndata(adata)
        model = ld.model.JointEmbedding(adata, preset="paper", gene_likelihood=likelihood)
        model.train(
            **{**TRAINING, "max_epochs": 30},
            train_size=0.8,
            early_stopping=True,
            early_stopping_monitor="validation_loss",
            early_stopping_patience=2,
            early_stopping_min_delta=1e6,
        )
    assert len(model.history["validation_loss"]) < 10
    assert (model.history["cco_loss_validation"].astype(float) > 0).all(axis=None)


def test_early_stopping_needs_cells_to_watch(model):
    with pytest.raises(ValueError, match=r"watches 'elbo_validation'.*train_size=0.9"):
        model.train(**TRAINING, early_stopping=True)


def test_cells_that_the_user_holds_out_are_watched():
    adata = counts_adata(90)
    ld.model.JointEmbedding.setup_anndata(adata)
    model = ld.model.JointEmbedding(adata)
    split = {"external_indexing": [np.arange(64), np.arange(64, 90)]}
    model.train(**TRAINING, datasplitter_kwargs=split, early_stopping=True)
    np.testing.assert_array_equal(model.validation_indices, np.arange(64, 90))
    assert model.history["validation_loss"].notna().all(axis=None)


def test_latent_of_some_cells_and_with_variance(model):
    everything, variance = model.get_latent_representation(return_dist=True)
    assert (variance > 0).all()
    some = model.get_latent_representation(indices=[3, 1], batch_size=1)
    np.testing.assert_allclose(some, everything[[3, 1]], atol=1e-6)
    mask = np.arange(model.adata.n_obs) < 5
    np.testing.assert_allclose(model.get_latent_representation(indices=mask), everything[:5], atol=1e-6)


def test_latent_of_minibatches_that_the_user_brings(model):
    loader = model._make_data_loader(model.adata, batch_size=20)
    np.testing.assert_allclose(
        model.get_latent_representation(dataloader=loader), model.get_latent_representation(), atol=1e-5
    )


def test_setup_refuses_what_is_not_counts():
    adata = counts_adata()
    adata.X = adata.X.log1p()
    with assert_unchanged(adata), pytest.raises(ValueError, match="not a whole number"):
        ld.model.JointEmbedding.setup_anndata(adata)


def test_setup_refuses_empty_cells():
    adata = counts_adata()
    adata.X = sp.diags_array([0, 0] + [1] * 58, dtype=np.float32).tocsr() @ adata.X
    with assert_unchanged(adata), pytest.raises(ValueError, match=r"2 cells hold no UMI.*filter_low_umi"):
        ld.model.JointEmbedding.setup_anndata(adata)


def test_setup_refuses_dask_arrays_by_name():
    adata = counts_adata()
    adata.X = da.from_array(adata.X.toarray(), chunks=(10, -1))
    with assert_unchanged(adata), pytest.raises(NotImplementedError, match=r"dask array.*adata.to_memory"):
        ld.model.JointEmbedding.setup_anndata(adata)
