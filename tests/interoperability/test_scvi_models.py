"""Models that scvi-tools trained take the place of ours: what comes out is what their own embedding and decoder say."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from finished_cells import LOW_UMI, WITH_MODEL, call
from helpers import counts_adata
from scipy.stats import binom
from sklearn.neighbors import KNeighborsClassifier

BY_CHANCE = 1e-6
"""How often a model that knows nothing would pass."""


def more_than_chance(n_right, n_cells, n_types=3):
    return n_right > binom.isf(BY_CHANCE, n_cells, 1 / n_types)


@pytest.fixture(
    scope="module",
    params=[scvi.model.SCVI, scvi.external.JointEmbeddingSCVI, scvi.model.LinearSCVI],
    ids=lambda kind: kind.__name__,
)
def trained(request):
    """Give cells with their embedding, and the model."""
    adata = counts_adata(120)
    options = {"batch_size": 60, "accelerator": "cpu", "enable_progress_bar": False, "log_every_n_steps": 1}
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(scvi.settings, "_seed", None)
        torch.manual_seed(0)
        request.param.setup_anndata(adata, batch_key="batch")
        model = request.param(adata, n_latent=3, n_hidden=32, gene_likelihood="nb")
        model.train(max_epochs=60, plan_kwargs={"lr": 0.03, "n_epochs_kl_warmup": None}, **options)
    adata.obsm["own"] = model.get_latent_representation()
    return adata, model


@pytest.fixture
def taken(trained, request):
    """Run the function on a copy of the cells; give it with the model, and the cells that are shallow."""
    adata, model = trained
    cells = adata.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few cells
        returned = call(request.param, cells, model)
    return cells, model, returned, np.ravel(cells.X.sum(axis=1)) < LOW_UMI


def of(name):
    return pytest.mark.parametrize("taken", [name], indirect=True)


def nearest_types(cells, shallow, n_neighbors=5):
    votes = KNeighborsClassifier(n_neighbors).fit(cells.obsm["own"][~shallow], cells.obs["cell_type"][~shallow])
    return votes.predict(cells.obsm["own"][shallow])


@of("tl.bias_point")
def test_an_empty_cell_is_where_the_encoder_puts_zeros(taken):
    cells, model, _, _ = taken
    with torch.no_grad():
        point = model.module.z_encoder(torch.zeros(1, cells.n_vars))[0].loc.numpy()
    np.testing.assert_allclose(cells.uns["bias_point"]["point"], point[0], rtol=1e-4, atol=1e-5)
    distance = np.linalg.norm(cells.obsm["own"] - point, axis=1)
    np.testing.assert_allclose(cells.obs["bias_point_distance"], distance, rtol=1e-3, atol=1e-5)


@of("tl.refine_low_umi")
def test_shallow_cells_move_to_what_the_decoder_says(taken):
    cells, model, _, shallow = taken
    with_residuals = cells.obsm["X_joint_embedding_refined"]
    call("tl.refine_low_umi", cells, model, residuals=False)
    np.testing.assert_array_equal(cells.obsm["X_joint_embedding_refined"][~shallow], with_residuals[~shallow])
    deep = torch.from_numpy(cells.obsm["own"][~shallow])
    expected = cells.obsm["own"].copy()
    with_two_neighbours = torch.cdist(deep, deep).argsort(dim=1)[:, :3].numpy()
    for batch, name in enumerate(cells.obs["batch"].cat.categories):
        own = shallow & (cells.obs["batch"] == name).to_numpy()
        with torch.no_grad():
            codes = torch.full((len(deep), 1), batch)
            decoded = model.module.generative(z=deep, library=torch.zeros(len(deep), 1), batch_index=codes)
        log_share = decoded["px"].get_normalized("scale").double().log().numpy()
        score = (cells.X[own].toarray() @ log_share.T)[:, with_two_neighbours].mean(axis=2)
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        expected[own] = weight / weight.sum(axis=1, keepdims=True) @ deep.numpy()
    np.testing.assert_allclose(cells.obsm["X_joint_embedding_refined"], expected, rtol=1e-3, atol=1e-3)


@of("tl.label_transfer")
def test_labels_are_recovered(taken):
    cells, _, _, shallow = taken
    right = (cells.obs["label_transfer"].astype(str) == cells.obs["cell_type"].astype(str))[shallow]
    assert more_than_chance(right.sum(), shallow.sum())


def test_votes_are_those_of_sklearn(trained):
    adata, model = trained
    cells = adata.copy()
    shallow = np.ravel(cells.X.sum(axis=1)) < LOW_UMI
    call("pp.depth_metrics", cells, model)
    call("tl.label_transfer by votes", cells, model, use_rep="own")
    assert cells.obs["votes"].astype(str)[shallow].tolist() == nearest_types(cells, shallow).tolist()


@of("tl.map_query")
def test_mapped_cells_are_where_the_model_puts_them(taken):
    cells, _, _, _ = taken
    np.testing.assert_allclose(cells.obsm["X_mapped"], cells.obsm["own"], rtol=1e-4, atol=1e-4)


@of("tl.thinning_stability")
def test_paths_begin_at_the_embedding(taken):
    cells, _, _, _ = taken
    np.testing.assert_allclose(cells.obsm["thinning_stability_path"][:, 0], cells.obsm["own"], rtol=1e-4, atol=1e-4)
    assert cells.obs["thinning_stability"].between(0, 1).all()


@of("tl.recovery_curve")
def test_thinned_cells_are_recognised(taken):
    _, _, curve, shallow = taken
    deepest = curve.overall.set_index("depth").loc[50]
    assert deepest["n"] == (~shallow).sum()
    assert more_than_chance(deepest["accuracy"] * deepest["n"], deepest["n"])


@of("tl.recommend_cutoff")
def test_kept_cells_are_those_above_the_cutoff(taken):
    cells, _, found, shallow = taken
    umis = np.ravel(cells.X.sum(axis=1))
    low, high = found.cutoffs.iloc[0][["cutoff_low", "cutoff_high"]]
    by_depth = np.select([(umis >= high) | ~shallow, umis < low], ["keep", "drop"], "flag")
    assert cells.obs["keep"].tolist() == by_depth.tolist()
    types = pd.Series(nearest_types(cells, shallow)).value_counts().add(cells.obs["cell_type"][~shallow].value_counts())
    counted = found.kept[found.kept["group"] == "type"].set_index("name")["n"]
    assert counted.to_dict() == types.astype(int).to_dict()


def test_every_function_that_takes_a_model_is_here():
    tested = {mark.args[1][0] for test in globals().values() for mark in getattr(test, "pytestmark", [])}
    assert tested == WITH_MODEL
