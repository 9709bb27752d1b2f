"""Shallow and deep cells, a model of scvi-tools for them, and their refinement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from helpers import counts_adata

import lowdepth as ld

LOW_UMI = 200
KEY = "X_joint_embedding_refined"
N_REFERENCES, ENTROPY = "joint_embedding_refined_n_references", "joint_embedding_refined_entropy"
FAST = {"max_epochs": 2, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False, "log_every_n_steps": 1}


def cells(**options):
    adata = counts_adata(90, **options)
    rng = np.random.default_rng(1)
    adata.obs["donor"] = pd.Categorical(rng.choice(["x", "y"], adata.n_obs))
    adata.obs["stress"] = rng.standard_normal(adata.n_obs)
    return adata


def train(adata, model_class=scvi.model.SCVI, *, setup=None, **model_options):
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(scvi.settings, "_seed", None)
        torch.manual_seed(0)
        model_class.setup_anndata(adata, **(setup or {"batch_key": "batch"}))
        model = model_class(adata, n_latent=4, **model_options)
        model.train(**FAST)
    return model


def refine(adata, model, **options):
    ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI, **options)
    return adata.obsm[KEY]
