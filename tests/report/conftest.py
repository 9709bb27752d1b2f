"""Cells as the steps before a report leave them, with numbers that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

SCRIPT = "<script>alert('T')</script> & \"B\""
VERSIONS = {"lowdepth": "0.0.1", "scvi-tools": "1.5.9", "torch": "2.9.9", "anndata": "0.13.9"}


@pytest.fixture
def bare():
    """Forty cells with depths alone: the first ten have 100 UMIs, the others 2,000."""
    obs = pd.DataFrame({"total_umi": np.repeat([100.0, 2000.0], [10, 30])}, index=[f"cell {i}" for i in range(40)])
    return AnnData(np.ones((40, 3), np.float32), obs)


@pytest.fixture
def done(bare):
    """Embed, refine, transfer, score and recover: two types in turn, two samples; six of ten labels are confident."""
    names = [SCRIPT, "B cell"]
    bare.obs["sample"] = pd.Categorical(np.repeat(["s1", "s2"], 20))
    bare.obs["label_transfer"] = pd.Categorical.from_codes(np.arange(40) % 2, names)
    bare.obs["label_transfer_confidence"] = np.repeat([0.9, 0.5, 1.0], [6, 4, 30])
    generator = np.random.default_rng(0)
    bare.obsm["X_joint_embedding_refined_tsne"] = generator.normal(size=(40, 2)).astype(np.float32)
    bare.uns["emulate_low_depth"] = {"params": {"rng": 3}}
    bare.uns["joint_embedding"] = {
        "params": {
            "preset": "denoise",
            "batch_key": "sample",
            "n_latent": 8,
            "max_epochs": 4,
            "batch_size": 64,
            "lr": 0.004,
            "rng": 7,
        },
        "versions": VERSIONS,
    }
    bare.uns["joint_embedding_refined"] = {
        "params": {
            "low_umi": 500.0,
            "n_references": 30,
            "temperature": 1.0,
            "n_neighbors": 2,
            "residuals": True,
            "likelihood": "multinomial",
            "rng": 7,
        }
    }
    bare.uns["label_transfer"] = {
        "categories": np.array(names),
        "params": {"label_key": "cell_type", "method": "posterior", "low_umi": 500.0, "n_neighbors": 15, "rng": 7},
        "calibration": pd.DataFrame(
            {"umi_low": [100.0], "umi_high": [500.0], "n": [40], "accuracy": [0.75], "confidence": [0.6], "ece": [0.15]}
        ),
        "reliability": pd.DataFrame({"depth_bin": [0], "confidence": [0.6], "accuracy": [0.75], "n": [40]}),
        "held_out": {
            "total_umi": np.full(4, 100.0),
            "label": np.array([0, 0, 1, 1]),
            "probability": np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]], np.float32),
        },
        "prior": {"reference": np.array([0.5, 0.5])},
    }
    figures = {"accuracy": [0.8], "balanced_accuracy": [0.7]}
    ends = {
        f"{name}_{end}": [value[0] + sign]
        for name, value in figures.items()
        for end, sign in (("low", -0.1), ("high", 0.1))
    }
    bare.uns["label_transfer_score"] = {
        "params": {"use_rep": np.array(["X_pca"]), "low_umi": 500.0},
        "overall": pd.DataFrame({**figures, **ends, "n_query": [10]}, index=["X_pca"]),
        "per_type": pd.DataFrame(
            {
                "representation": "X_pca",
                "label": pd.Categorical(names),
                "recall": [0.6, 0.8],
                "recall_low": [0.5, 0.7],
                "recall_high": [0.7, 0.9],
                "n": [5, 5],
            }
        ),
    }
    return bare
