"""Small results on real cells that no change may move unnoticed.

    uv run python tests/golden_results.py

writes them anew into ``tests/data/golden.json``. Do so only when a change is meant to change numbers, and say in
CHANGELOG.md which and why.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import lowdepth as ld

GOLDEN = Path(__file__).parent / "data" / "golden.json"


def checksum(counts):
    """Sum up counts so that each place has a weight of its own."""
    rows, columns = counts.nonzero()
    values = np.asarray(counts[rows, columns]).ravel().astype(np.int64)
    return int((values * (rows * 31 + columns * 17 + 1)).sum())


def exact_results():
    """Thin: whole numbers, the same on every machine."""
    adata = ld.datasets.pbmc3k()[::20, ::15].copy()
    ld.pp.thin_to_depth(adata, 60, key_added="thinned", rng=1)
    ld.pp.split_counts(adata, 0.3, rng=2)
    adata.var["overdispersion"] = 0.5
    ld.pp.split_counts(adata, 0.3, keys_added=("beta_a", "beta_b"), overdispersion="overdispersion", rng=2)
    shallow = ld.pp.emulate_low_depth(adata, log10_mean=-0.3, log10_sd=0.3, min_umi=5, rng=3, copy=True)
    ld.pp.depth_metrics(shallow, low_umi=50)
    layers = {f"checksum of {name}": checksum(adata.layers[name]) for name in ("thinned", "split_a", "beta_a")}
    return layers | {
        "cells": int(adata.n_obs),
        "UMIs": int(adata.X.sum()),
        "cells after emulate_low_depth": int(shallow.n_obs),
        "checksum after emulate_low_depth": checksum(shallow.X),
        "shallow cells": int(shallow.obs["low_umi"].sum()),
    }


def close_results():
    """Train briefly, transfer and score: sums of floats, which round differently elsewhere."""
    adata = ld.datasets.pbmc3k()[::6, ::10].copy()
    ld.pp.emulate_low_depth(adata, log10_mean=-0.3, log10_sd=0.3, min_umi=10, rng=0)
    ld.pp.depth_metrics(adata, low_umi=120)
    settings = {"n_latent": 8, "max_epochs": 3, "batch_size": 64, "precision": "float32"}
    model = ld.tl.joint_embedding(
        adata, **settings, low_umi=120, refine=True, rng=0, accelerator="cpu", progress_bar=False
    )
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=120, rng=0)
    score = ld.tl.label_transfer_score(adata, "cell_type", use_rep="X_joint_embedding", low_umi=120, rng=0)
    losses = adata.uns["joint_embedding"]["history"]["train_loss"]
    return {f"training loss of epoch {epoch}": float(loss) for epoch, loss in enumerate(losses)} | {
        "mean length of an embedding": float(np.linalg.norm(adata.obsm["X_joint_embedding"], axis=1).mean()),
        "mean length of a refined one": float(np.linalg.norm(adata.obsm["X_joint_embedding_refined"], axis=1).mean()),
        "mean confidence": float(adata.obs["label_transfer_confidence"].mean()),
        "accuracy": float(score.overall["accuracy"].iloc[0]),
    }


if __name__ == "__main__":
    results = {"exact": exact_results(), "close": close_results()}
    GOLDEN.write_text(json.dumps(results, indent=2) + "\n")
