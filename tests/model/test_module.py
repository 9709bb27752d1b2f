"""The way through the non-zeros is scvi-tools' own in every number, where the thinned counts are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import counts_adata, same_thinning
from scvi import REGISTRY_KEYS
from scvi.external import JointEmbeddingVAE

from lowdepth.model import _module
from lowdepth.model._module import JointEmbeddingModule
from lowdepth.model._objective import compare_views
from lowdepth.model.engine import take_rows

N_VARS, N_BATCH = 40, 2
SETTINGS = {"n_batch": N_BATCH, "n_labels": 3, "n_latent": 6, "joint_embedding_weight": 10.0, "variance_weight": 1.0}


def minibatches(covariates=()):
    adata = counts_adata(60, N_VARS)
    rng = np.random.default_rng(0)
    tensors = {
        REGISTRY_KEYS.BATCH_KEY: torch.tensor(rng.integers(N_BATCH, size=(60, 1))),
        REGISTRY_KEYS.LABELS_KEY: torch.tensor(rng.integers(3, size=(60, 1))),
    }
    if "categorical" in covariates:
        tensors[REGISTRY_KEYS.CAT_COVS_KEY] = torch.tensor(rng.integers(2, size=(60, 2)))
    if "continuous" in covariates:
        tensors[REGISTRY_KEYS.CONT_COVS_KEY] = torch.tensor(rng.normal(size=(60, 1)), dtype=torch.float32)
    dense = {REGISTRY_KEYS.X_KEY: torch.tensor(adata.X.toarray()), **tensors}
    sparse = {REGISTRY_KEYS.X_KEY: take_rows(adata.X, np.arange(60)), **tensors}
    return dense, sparse


def modules(**settings):
    torch.manual_seed(0)
    theirs = JointEmbeddingVAE(N_VARS, **{"gene_likelihood": "nb", **SETTINGS, **settings})
    module = JointEmbeddingModule(N_VARS, precision="float32", **{"gene_likelihood": "nb", **SETTINGS, **settings})
    module.load_state_dict(theirs.state_dict())
    return module, theirs


def run(module, tensors, **loss_kwargs):
    torch.manual_seed(1)
    output = module(tensors, loss_kwargs=loss_kwargs)[2]
    module.zero_grad()
    output.loss.backward()
    return output, {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def assert_same_loss(module, theirs, dense, sparse, **loss_kwargs):
    with same_thinning():
        (our_loss, our_grads), (their_loss, their_grads) = (
            run(module, sparse, **loss_kwargs),
            run(theirs, dense, **loss_kwargs),
        )
    torch.testing.assert_close(our_loss.loss, their_loss.loss, rtol=1e-5, atol=1e-6)
    for part in ("reconstruction_loss", "kl_local", "extra_metrics"):
        torch.testing.assert_close(getattr(our_loss, part), getattr(their_loss, part), rtol=1e-4, atol=1e-4)
    assert list(our_grads) == list(their_grads)
    largest = max(grad.abs().max().item() for grad in their_grads.values())  # a bias before batch norm has none
    for name, grad in our_grads.items():
        torch.testing.assert_close(grad, their_grads[name], rtol=1e-4, atol=1e-6 * largest, msg=name)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_joint_embedding": False},
        {"gene_likelihood": "poisson"},
        {"dispersion": "gene-batch"},
        {"dispersion": "gene-label"},
        {"n_layers": 2},
        {"log_variational": False},
        {"latent_distribution": "ln"},
        {"batch_representation": "embedding", "batch_embedding_kwargs": {"embedding_dim": 3}},
        {"use_batch_norm": "none", "use_layer_norm": "both"},
        {"n_batch": 1},
        {"reconstruction_weight": 0.5},
    ],
    ids=str,
)
def test_loss_and_gradients_are_those_of_scvi_tools(settings, training):
    module, theirs = (m.train(training) for m in modules(**settings))
    dense, sparse = minibatches()
    if settings.get("n_batch") == 1:
        for tensors in (dense, sparse):
            tensors[REGISTRY_KEYS.BATCH_KEY] = torch.zeros(60, 1, dtype=torch.int64)
    assert_same_loss(module, theirs, dense, sparse)


def test_covariates():
    covariates = ("categorical", "continuous")
    assert_same_loss(*modules(n_cats_per_cov=[2, 2], n_continuous_cov=1), *minibatches(covariates))


def test_weights_of_the_terms():
    weights = {"kl_weight": 0.3, "joint_embedding_weight": 2.0, "reconstruction_weight": 0.1}
    assert_same_loss(*modules(), *minibatches(), **weights)


@pytest.mark.parametrize("covariates", [(), ("categorical",)], ids=["batch", "batch and covariates"])
def test_views_are_correlated_within_batches(covariates, monkeypatch):
    seen = []
    monkeypatch.setattr(_module, "compare_views", lambda *views: seen.append(views[:2]) or compare_views(*views))
    _, sparse = minibatches(covariates)
    batch, group = sparse[REGISTRY_KEYS.BATCH_KEY].squeeze(1), torch.arange(60) % 3
    if covariates:
        sparse[REGISTRY_KEYS.CAT_COVS_KEY] = group[:, None]
    for within in (False, True):
        module, _ = modules(  # without batch norm and dropout, which would tell how views are encoded
            use_batch_norm="none", dropout_rate=0.0, n_cats_per_cov=[3] if covariates else None
        )
        module.correlate_within_batches = within
        with same_thinning():
            run(module, sparse)
    for as_they_are, centred in zip(*seen, strict=True):
        expected = pd.DataFrame(as_they_are.detach())
        for codes in (group, batch) if covariates else (batch,):
            expected -= expected.groupby(codes.numpy()).transform("mean")
        torch.testing.assert_close(centred, torch.tensor(expected.to_numpy()))


def test_posterior_is_that_of_dense_cells():
    module, _ = modules()
    module.eval()
    dense, sparse = minibatches()
    ours, theirs = (module.inference(**module._get_inference_input(tensors)) for tensors in (sparse, dense))
    torch.testing.assert_close(ours["qz"].loc, theirs["qz"].loc)
    torch.testing.assert_close(ours["qz"].scale, theirs["qz"].scale)
    torch.testing.assert_close(ours["library"], theirs["library"])


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_validation_sees_the_objective_on_request(kind):
    module, _ = modules()
    module.eval()
    tensors = dict(zip(("dense", "sparse"), minibatches(), strict=True))[kind]
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    assert "cco_loss" not in (module(tensors)[2].extra_metrics or {})
    output = module(tensors, loss_kwargs={"with_thinned": True})[2]
    assert output.extra_metrics["cco_loss"] > 0
    assert not module.training
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, before[name])


def test_decoder_of_fewer_layers_is_the_one_that_scvi_tools_builds():
    deep, shallow = (modules(n_layers=n_layers)[1].decoder for n_layers in (2, 1))
    torch.manual_seed(0)
    decoder = JointEmbeddingModule(N_VARS, n_layers=2, n_decoder_layers=1, **SETTINGS).decoder
    shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (decoder, shallow, deep)]
    assert shapes[0] == shapes[1] != shapes[2]


@pytest.mark.parametrize("n_decoder_layers", [0, 3])
def test_decoder_has_no_more_layers_than_the_encoder(n_decoder_layers):
    with pytest.raises(ValueError, match=rf"n_decoder_layers={n_decoder_layers}.*between 1 and `n_layers=2`"):
        JointEmbeddingModule(N_VARS, n_layers=2, n_decoder_layers=n_decoder_layers, **SETTINGS)


def test_one_cell_has_no_correlation():
    module, _ = modules()
    module.eval()
    _, sparse = minibatches()
    one = {key: value[:1] if isinstance(value, torch.Tensor) else value for key, value in sparse.items()}
    one[REGISTRY_KEYS.X_KEY] = sparse[REGISTRY_KEYS.X_KEY].between(slice(0, 1))
    output = module(one, loss_kwargs={"with_thinned": True})[2]
    assert torch.isfinite(output.loss)
    assert "cco_loss" not in (output.extra_metrics or {})


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, ""),
        ({"gene_likelihood": "poisson"}, ""),
        ({"gene_likelihood": "zinb"}, "gene_likelihood='zinb'"),
        ({"dispersion": "gene-cell"}, "dispersion='gene-cell'"),
        ({"encode_covariates": True, "gene_likelihood": "zinb"}, "gene_likelihood='zinb', encode_covariates=True"),
    ],
)
def test_what_needs_dense_minibatches_says_so(settings, reason):
    assert modules(**settings)[0].dense_only == reason
