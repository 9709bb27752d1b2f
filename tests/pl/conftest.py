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
    return adata
