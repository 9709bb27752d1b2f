"""The same small data on every path to more cells: do they give the same scores?

    uv run benchmarks/scale_paths.py

For each seed the cells of ``ld.datasets.pbmc3k()`` are thinned as in the method's tutorial, embedded on each path, and
shallow cells' types are read off the embedding's deep neighbours. The table has means and standard deviations over
seeds.

- memory: one process, minibatches of ``--batch-size`` cells;
- two processes: Lightning's DDP on two CPU processes, minibatches of half of them each: the same steps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import lowdepth as ld

if TYPE_CHECKING:
    import anndata as ad

KEY = "X_joint_embedding"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def thinned(seed: int) -> ad.AnnData:
    adata = ld.datasets.pbmc3k()
    ld.pp.emulate_low_depth(adata, rng=seed)
    return adata


def embed(adata: ad.AnnData, seed: int, options: argparse.Namespace, n_devices: int = 1) -> np.ndarray:
    several = {"devices": n_devices, "strategy": "ddp"} if n_devices > 1 else {}
    ld.tl.joint_embedding(
        adata,
        max_epochs=options.epochs,
        batch_size=options.batch_size // n_devices,
        accelerator="cpu",
        low_umi=options.low_umi,
        progress_bar=False,
        rng=seed,
        **several,
    )
    return adata.obsm[KEY]


def in_memory(seed: int, options: argparse.Namespace) -> np.ndarray:
    return embed(thinned(seed), seed, options)


def in_two_processes(seed: int, options: argparse.Namespace) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "latent.npy")
        settings = [
            f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("epochs", "batch-size", "low-umi")
        ]
        subprocess.run([*TORCHRUN, __file__, *settings, f"--rank-seed={seed}", f"--rank-out={out}"], check=True)
        return np.load(out)


PATHS = {"memory": in_memory, "two processes": in_two_processes}


def as_rank(options: argparse.Namespace) -> None:
    """Be one of the processes that :func:`in_two_processes` starts."""
    from lightning.pytorch.utilities import rank_zero_only  # noqa: PLC0415

    latent = embed(thinned(options.rank_seed), options.rank_seed, options, n_devices=2)
    if rank_zero_only.rank == 0:
        np.save(options.rank_out, latent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--low-umi", type=float, default=500)
    parser.add_argument("--rank-seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rank-out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_out:
        as_rank(options)
        return
    scores = []
    for seed in range(options.seeds):
        adata = thinned(seed)
        for path, run in PATHS.items():
            adata.obsm[path] = run(seed, options)
        score = ld.tl.label_transfer_score(
            adata, "cell_type", use_rep=list(PATHS), low_umi=options.low_umi, n_bootstrap=0
        )
        scores.append(score.overall[["accuracy", "balanced_accuracy"]])
        print(f"seed {seed}", scores[-1].round(3).to_string(), sep="\n", flush=True)
    table = pd.concat(scores).groupby(level=0, sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
