"""A training that fails says so, and one that need not fail does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from helpers import assert_unchanged, counts_adata
from scvi import REGISTRY_KEYS

import lowdepth as ld
from lowdepth.model import JointEmbedding
from lowdepth.model._divergence import TrainingDiverged, check_converged
from lowdepth.model._module import JointEmbeddingModule
from lowdepth.model._presets import PRESETS
from lowdepth.model.engine import decoder_log_likelihood, take_rows

FAST = {"max_epochs": 3, "batch_size": 32, "accelerator": "cpu"}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("average_weights", [False, True])
def test_a_diverged_training_says_so(preset, average_weights):
    adata = counts_adata()
    JointEmbedding.setup_anndata(adata)
    options = {"average_weights": True} if average_weights else {}
    model = JointEmbedding(adata, preset=preset, n_latent=2, **options)
    message = r"the training diverged: after epoch 1 weights are not finite; .*smaller `lr` than 1e\+37"
    with pytest.raises(ValueError, match=message):
        model.train(**FAST, lr=1e37, enable_progress_bar=False)
    assert not model.is_trained


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epochs": 0}, "`max_epochs=0`: it has to be a finite number of at least 1"),
        ({"max_epochs": -1}, "`max_epochs=-1`"),
        ({"max_epochs": 1.5}, r"`max_epochs=1\.5`: it has to be a whole number"),
        ({"batch_size": 0}, "`batch_size=0`"),
        ({"lr": 0}, "`lr=0`: it has to be a finite number above 0"),
        ({"lr": np.nan}, "`lr=nan`"),
        ({"train_size": 0}, "`train_size=0`: it has to lie above 0 and not above 1"),
        ({"train_size": 2}, "`train_size=2`"),
        ({"early_stopping": True}, "early stopping watches 'elbo_validation' of cells that are held out"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be_is_refused(options, message):
    adata = counts_adata()
    JointEmbedding.setup_anndata(adata)
    model = JointEmbedding(adata, n_latent=2)
    with assert_unchanged(adata), pytest.raises(ValueError, match=message):
        model.train(**{**FAST, **options})
    assert not model.is_trained


def test_and_leaves_the_cells_as_they_were():
    adata = counts_adata()
    with assert_unchanged(adata), pytest.raises(ValueError, match="the training diverged"):
        ld.tl.joint_embedding(adata, **FAST, lr=1e37, low_umi=100, progress_bar=False)


def test_an_embedding_that_is_not_finite_is_refused():
    latent = np.zeros((5, 2), np.float32)
    check_converged(latent, 0.1)
    latent[1:3, 1] = np.inf
    with pytest.raises(TrainingDiverged, match="2 cells have no finite embedding; train with a smaller `lr`"):
        check_converged(latent, 0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("law", "part"), [("nb", "theta"), *product(("nb", "poisson"), ("hidden", "weight", "bias"))], ids=str
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_likelihood_of_what_is_not_finite_is_not(law, part, value, dtype):
    torch.manual_seed(0)
    parameters = {"hidden": torch.rand(5, 3), "weight": torch.rand(40, 3), "bias": torch.rand(40)}
    parameters |= {"theta": torch.rand(1, 40) + 0.5} if law == "nb" else {}
    parameters[part].view(-1)[2] = value
    given = [values.to(dtype).requires_grad_() for values in parameters.values()]
    cells = take_rows(counts_adata(5).X, np.arange(5))
    likelihood = decoder_log_likelihood(cells, *given[:3], cells.total().to(dtype), *given[3:])
    assert not likelihood.total.isfinite()
    for gradient in torch.autograd.grad(likelihood.total, given):
        assert not gradient.isfinite().all()


@pytest.fixture(scope="module")
def minibatch():
    """Take cells of one UMI, of ten million, of one gene, and some that are all the same."""
    counts = counts_adata(40).X.toarray()
    counts[:8] = np.eye(40)[3]
    counts[8:16] = 0
    counts[8:16, 5] = 1e7
    counts[16:24] = counts[16]
    counts[:, 30:] = 0
    counts[24] = np.eye(40)[35]
    index = torch.zeros(40, 1, dtype=torch.long)
    counted = take_rows(sp.csr_matrix(counts), np.arange(40))
    return {REGISTRY_KEYS.X_KEY: counted, REGISTRY_KEYS.BATCH_KEY: index, REGISTRY_KEYS.LABELS_KEY: index}


WEIGHTS = "joint_embedding_weight", "lambda_off_diag", "variance_weight", "reconstruction_weight", "denoising_weight"


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("value", [0.0, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("changed", [*WEIGHTS, "all"])
def test_gradients_are_finite_whatever_the_weights(changed, value, collapsed, minibatch):
    weights = {name: value if changed in {name, "all"} else 1.0 for name in WEIGHTS}
    torch.manual_seed(0)
    module = JointEmbeddingModule(40, n_latent=4, gene_likelihood="nb", encoder_input="direction", **weights)
    if collapsed:  # all cells lie on one point
        torch.nn.init.zeros_(module.z_encoder.mean_encoder.weight)
        torch.nn.init.constant_(module.z_encoder.var_encoder.bias, -100.0)
        torch.nn.init.zeros_(module.z_encoder.var_encoder.weight)
    loss = module(minibatch, loss_kwargs={"kl_weight": 1.0})[2].loss
    loss.backward()
    assert loss.isfinite()
    assert all(weights.grad.isfinite().all() for weights in module.parameters() if weights.grad is not None)
