"""How long it takes to reach what scvi-tools' joint embedding reaches in the tutorial's 2,300 optimiser steps.

    uv run benchmarks/time_to_accuracy.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id --low-umi 1000

scvi-tools trains its ``JointEmbeddingSCVI`` on thinned cells for ``--epochs``. Then lowdepth trains from the start for
1, 2, 3, ... epochs in minibatches of ``--batch-size``, each time timed with model, training, embedding and refinement,
until the 15 neighbours of the shallow cells give a balanced accuracy that is as high. Both see the same cells, one
after the other in one process: run it on a machine that does nothing else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import scvi
from accuracy import TUTORIAL
from real_cells import parser_for

import lowdepth as ld
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model._seed import seeded

if TYPE_CHECKING:
    import argparse

OURS = ("X_joint_embedding", "X_joint_embedding_refined")


def scvi_tools(adata: ad.AnnData, seed: int, options: argparse.Namespace) -> np.ndarray:
    with seeded(seed), quiet_lightning():
        scvi.external.JointEmbeddingSCVI.setup_anndata(adata, batch_key=options.batch_key)
        model = scvi.external.JointEmbeddingSCVI(adata, **TUTORIAL)
        training = {"train_size": 1.0, "accelerator": options.accelerator, "enable_progress_bar": False}
        model.train(options.epochs, batch_size=512, plan_kwargs={"lr": 0.004}, **training)
        return model.get_latent_representation()


def scores(adata: ad.AnnData, keys: tuple[str, ...], options: argparse.Namespace) -> np.ndarray:
    """Give the balanced accuracies of the shallow cells' labels."""
    score = ld.tl.label_transfer_score(
        adata, options.label_key, use_rep=list(keys), low_umi=options.low_umi, n_bootstrap=0
    )
    return score.overall["balanced_accuracy"].to_numpy()


def run(seed: int, options: argparse.Namespace) -> float:
    """Print the way to the goal; give the ratio of the times."""
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    training = {"batch_key": options.batch_key, "batch_size": options.batch_size, "low_umi": options.low_umi}
    training |= {"accelerator": options.accelerator, "progress_bar": False, "refine": True, "rng": seed}
    ld.tl.joint_embedding(adata.copy(), max_epochs=1, **training)  # compiles what numba has not compiled yet
    start = time.perf_counter()
    adata.obsm["X_published"] = scvi_tools(adata.copy(), seed, options)
    theirs = time.perf_counter() - start
    (goal,) = scores(adata, ("X_published",), options)
    print(f"seed {seed}: scvi-tools, {options.epochs} epochs, {theirs:.0f} s: balanced accuracy {goal:.3f}", flush=True)
    for epochs in range(1, options.epochs + 1):
        start = time.perf_counter()
        ld.tl.joint_embedding(adata, max_epochs=epochs, **training)
        ours = time.perf_counter() - start
        reached = scores(adata, OURS, options)
        print(f"lowdepth, {epochs} epochs, {ours:.1f} s: {reached[0]:.3f}, refined {reached[1]:.3f}", flush=True)
        if reached.max() >= goal:
            return theirs / ours
    return np.nan


def main() -> None:
    parser = parser_for(__doc__, epochs=100, seeds=1)
    parser.add_argument("--batch-size", type=int, default=128, help="of lowdepth")
    parser.add_argument("--accelerator", default="cpu")
    options = parser.parse_args()
    ratios = [run(seed, options) for seed in range(options.seeds)]
    print("scvi-tools' time over lowdepth's: " + ", ".join(f"{ratio:.0f}" for ratio in ratios))


if __name__ == "__main__":
    main()
