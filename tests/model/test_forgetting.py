"""The default forgets what no gradient renews; the published models train as in scvi-tools."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from helpers import counts_adata
from saved_models import TRAINING

import lowdepth as ld

SCVI_TOOLS = (torch.optim.Adam, 1e-6)
SILENT = 3
"""A gene without counts."""


def model_of(**settings):
    adata = counts_adata(80)
    adata.X = sp.csr_matrix(adata.X.toarray() * (np.arange(adata.n_vars) != SILENT))
    ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    return ld.model.JointEmbedding(adata, n_latent=2, n_hidden=8, **settings)


def first_weights(model):
    return model.module.z_encoder.encoder.fc_layers[0][0].weight.detach().clone()


def optimizer_of(plan_kwargs=None, **settings):
    model = model_of(**settings)
    model.train(**TRAINING, plan_kwargs=plan_kwargs)
    (optimizer,) = model.trainer.optimizers
    return type(optimizer), optimizer.param_groups[0]["weight_decay"]


@pytest.mark.parametrize("lr", [0.001, 0.004])
@pytest.mark.parametrize("batch_size", [20, 40])
def test_weights_of_a_silent_gene_are_forgotten_over_the_epochs(lr, batch_size):
    model = model_of(forgetting_epochs=10, average_weights=False)
    start = first_weights(model)
    model.train(**{**TRAINING, "batch_size": batch_size, "max_epochs": 10, "lr": lr})
    n_steps = 10 * 80 // batch_size
    left = (first_weights(model) / start)[:, SILENT]
    torch.testing.assert_close(left, torch.full_like(left, (1 - 1 / n_steps) ** n_steps))
    np.testing.assert_allclose(left, 1 / np.e, rtol=0.03)


def test_the_default_forgets_over_a_hundred():
    kind, decay = optimizer_of()
    assert kind is torch.optim.AdamW
    assert decay == pytest.approx(1 / (0.004 * 3 * 100))


@pytest.mark.parametrize("settings", [{"preset": "scvi"}, {"preset": "paper"}, {"forgetting_epochs": None}], ids=str)
def test_without_it_the_optimizer_is_that_of_scvi_tools(settings):
    assert optimizer_of(**settings) == SCVI_TOOLS


def test_what_the_user_says_of_the_optimizer_counts():
    assert optimizer_of({"optimizer": "Adam"}) == SCVI_TOOLS
    assert optimizer_of({"weight_decay": 0.5}) == (torch.optim.Adam, 0.5)


@pytest.mark.parametrize("n_epochs", [0, -1, 2.5])
def test_it_takes_whole_epochs(n_epochs):
    with pytest.raises(ValueError, match="forgetting_epochs"):
        model_of(forgetting_epochs=n_epochs)


def test_surgery_leaves_alone_what_the_model_knows(tmp_path):
    model = model_of()
    model.train(**TRAINING)
    query = counts_adata(80, seed=1)
    query.obs["batch"] = "new"
    mapped = ld.model.JointEmbedding.load_query_data(query, model, accelerator="cpu")
    mapped.save(tmp_path / "model")
    again = ld.model.JointEmbedding.load(tmp_path / "model", query, accelerator="cpu")
    for one in (mapped, again):
        assert one.forgetting_epochs is None
    assert model.forgetting_epochs == model.init_params_["kwargs"]["model_kwargs"]["forgetting_epochs"] == 100
    mapped.train(**{**TRAINING, "plan_kwargs": {"weight_decay": 0.0}})
    torch.testing.assert_close(first_weights(mapped), first_weights(model), rtol=0, atol=0)
