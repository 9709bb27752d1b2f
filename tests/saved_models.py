"""Small models to save, and what it means that one came back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from helpers import counts_adata

import lowdepth as ld
from lowdepth.model._seed import seeded

TRAINING = {"max_epochs": 2, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False}


def cells(seed=0, n_obs=60):
    adata = counts_adata(n_obs, 20, seed=seed)
    adata.obs["sex"] = np.arange(n_obs) % 2 == 0
    adata.obs["plate"] = np.arange(n_obs) % 3 + 10
    adata.obs["age"] = np.linspace(20, 80, n_obs)
    return adata


def model_of(adata, preset="denoise", *, train=False, seed=0, covariates=False, **settings):
    setup = {"categorical_covariate_keys": ["sex", "plate"], "continuous_covariate_keys": ["age"]} if covariates else {}
    with seeded(seed):
        ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch", **setup)
        model = ld.model.JointEmbedding(adata, preset=preset, **{"n_latent": 2, "n_hidden": 8, **settings})
        if train:
            model.train(**TRAINING)
    model.module.eval()
    model.is_trained_ = True  # as it begins will do, and is there at once
    return model


def load(folder, adata=None, **options):
    return ld.model.JointEmbedding.load(folder, adata, accelerator="cpu", **options)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.module.state_dict().items()}


def same_weights(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def assert_same_model(loaded, model):
    """Check that two models are equal bit by bit in what they hold and in what they say of the first one's cells."""
    assert same_weights(weights(loaded), weights(model))
    assert loaded.init_params_ == model.init_params_
    assert loaded.is_trained_ == model.is_trained_
    assert (loaded.history_ is None) == (model.history_ is None)
    for name, values in (model.history_ or {}).items():
        pd.testing.assert_frame_equal(loaded.history_[name], values)
    assert list(loaded.history_ or {}) == list(model.history_ or {})
    for name in ("train_indices_", "validation_indices_", "test_indices_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    np.testing.assert_array_equal(loaded.get_latent_representation(), model.get_latent_representation())
