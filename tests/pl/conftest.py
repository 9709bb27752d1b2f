"""A data set whose pictures are known beforehand."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

BALANCED = {"X_scvi": 0.43, "X_joint_embedding": 0.505}
RECALL = {
    "X_scvi": {"B cell": 0.2, "NK cell": 0.5, "T cell": 0.6},
    "X_joint_embedding": {"B cell": 0.75, "NK cell": 0.25, "T cell": 0.5},
}
LEAKAGE = {"r2": [0.9, -0.1], "knn_mixing": [0.25, 1.1], "cluster_variance": [0.5, np.nan], "n": [12, 12]}
HISTORIES = {
    "joint_embedding": {
        "train_loss": [9.0, 5.0, 4.0],
        "validation_loss": [np.nan, 6.0, 7.0],
        "reconstruction_loss_train": [8.0, 4.0, 3.0],
        "cco_loss_train": [3.0, 2.0, 1.0],
    },
    "scvi": {"train_loss": [8.0, 7.0], "reconstruction_loss_train": [7.0, 6.0]},
}
N_CELLS = {"B cell": 40, "NK cell": 1200, "T cell": 7}


@pytest.fixture
def adata():
    """Twelve cells of three types: the first six have 10 to 60 UMIs, the others 1,000 to 6,000."""
    n_obs = 12
    total = np.concatenate([np.arange(1, 7) * 10.0, np.arange(1, 7) * 1000.0])
    obs = pd.DataFrame(
        {
            "total_umi": total,
            "log10_umi": np.log10(total + 1),
            "cell_type": pd.Categorical(["T cell", "B cell", "NK cell"] * 4),
            "sample": ["a"] * 4 + ["b"] * 8,
        },
        index=[f"cell {i}" for i in range(n_obs)],
    )
    adata = ad.AnnData(np.ones((n_obs, 2), np.float32), obs=obs)
    adata.obsm["X_first"] = np.column_stack([np.arange(n_obs), np.arange(n_obs) ** 2]).astype(float)
    adata.obsm["X_second"] = -adata.obsm["X_first"]
    return adata


@pytest.fixture
def many(adata):
    """Make that many cells out of the twelve."""

    def repeat(n_obs):
        rows = np.arange(n_obs) % adata.n_obs
        obs = adata.obs.iloc[rows].set_axis([f"cell {i}" for i in range(n_obs)])
        return ad.AnnData(np.ones((n_obs, 1), np.float32), obs=obs, obsm={"X_first": adata.obsm["X_first"][rows]})

    return repeat


@pytest.fixture
def scored(adata):
    """The same, with the score of two representations."""
    bars = [
        {"representation": rep, "label": label, "recall": recall, "n": N_CELLS[label]}
        for rep, recalls in RECALL.items()
        for label, recall in recalls.items()
    ]
    per_type = pd.DataFrame(bars).assign(precision=0.5)
    adata.uns["label_transfer_score"] = {
        "params": {"label_key": "cell_type", "low_umi": 1000.0, "n_neighbors": 15, "use_rep": np.array(list(RECALL))},
        "overall": pd.DataFrame({"balanced_accuracy": BALANCED}),
        "per_type": per_type.assign(recall_low=per_type["recall"] - 0.1, recall_high=per_type["recall"] + 0.2),
    }
    adata.uns["label_transfer"] = {
        "calibration": pd.DataFrame({"umi_low": [20.0, 100.0], "umi_high": [100.0, 1500.0], "ece": [0.031, 0.0124]}),
        "reliability": pd.DataFrame(
            {
                "depth_bin": [0, 0, 0, 1, 1],
                "confidence": [0.35, 0.55, 0.95, 0.45, 0.85],
                "accuracy": [0.25, 0.6, 0.9, 0.5, 0.8],
                "n": [40, 100, 300, 19, 500],
            }
        ),
    }
    leakage = pd.DataFrame(LEAKAGE, index=pd.Index(list(RECALL), name="representation"))
    adata.uns["depth_leakage"] = {"params": {"use_rep": np.array(list(RECALL))}, "overall": leakage}
    points = [(name, depth) for name in ("paper", "denoise") for depth in (30.0, 100.0, 1000.0)]
    curve = pd.DataFrame(points, columns=["model", "depth"])
    for figure, values in {
        "accuracy": [0.3, 0.5, 0.7, 0.4, 0.7, 0.9],
        "balanced_accuracy": [0.2, 0.4, 0.6, 0.3, 0.6, 0.8],
    }.items():
        curve = curve.assign(**{figure: values, f"{figure}_low": np.array(values) - 0.1, f"{figure}_high": values})
    recalls = pd.concat([curve.assign(label=label) for label in ("B cell", "T cell")], ignore_index=True)
    recalls = recalls.rename(columns=lambda name: name.replace("balanced_accuracy", "recall"))
    adata.uns["recovery_curve"] = {
        "params": {"models": np.array(["paper", "denoise"]), "low_umi": 1000.0},
        "overall": curve,
        "per_type": recalls,
    }
    adata.uns["compare"] = {
        "params": {"methods": np.array(["pca", "denoise"]), "low_umi": 1000.0},
        "per_seed": pd.DataFrame(
            {
                "method": pd.Categorical(["pca", "denoise"] * 2, ["pca", "denoise"]),
                "seed": [0, 0, 1, 1],
                "accuracy": [0.3, 0.8, 0.4, 0.9],
                "balanced_accuracy": [0.2, 0.6, 0.3, 0.8],
            }
        ),
        "overall": pd.DataFrame({"seconds": [0.52, 1234.0]}, index=["pca", "denoise"]),
    }
    for name, history in HISTORIES.items():
        adata.uns[name] = {"history": pd.DataFrame(history).rename_axis("epoch")}
    path = np.full((adata.n_obs, 3, 2), np.nan, np.float32)
    path[:, 0] = adata.obsm["X_first"]
    path[6:, 1:] = np.array([[8, 64], [0, 0]])
    path[0, 2] = [1, 1]
    adata.obsm["thinning_stability_path"] = path
    adata.uns["thinning_stability"] = {"params": {"n": 20, "depths": np.array([100.0, 5.0])}}
    return adata
