"""The same small data on every path to more cells: do they give the same scores?

    uv run --extra scale benchmarks/scale_paths.py

For each seed the cells of ``ld.datasets.pbmc3k()`` are thinned as in the method's tutorial, embedded on each path, and
shallow cells' types are read off the embedding's deep neighbours. The table has means and standard deviations over
seeds.

- memory: one process, minibatches of ``--batch-size`` cells; refined too;
- dask: a zarr store that is opened lazily, thinned, embedded and refined block by block by the model of the first path;
- disk: the path of a zarr store, whose cells are shuffled on the disk and streamed into the training;
- two processes: Lightning's DDP on two CPU processes, minibatches of half of them each: the same steps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from anndata.experimental import read_lazy

import lowdepth as ld

KEY = "X_joint_embedding"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def thinned(seed: int) -> ad.AnnData:
    adata = ld.datasets.pbmc3k()
    ld.pp.emulate_low_depth(adata, rng=seed)
    return adata


def train(
    adata: ad.AnnData | str, seed: int, options: argparse.Namespace, n_devices: int = 1
) -> ld.model.JointEmbedding:
    several = {"devices": n_devices, "strategy": "ddp"} if n_devices > 1 else {}
    return ld.tl.joint_embedding(
        adata,
        max_epochs=options.epochs,
        batch_size=options.batch_size // n_devices,
        accelerator="cpu",
        low_umi=options.low_umi,
        progress_bar=False,
        rng=seed,
        **several,
    )


def in_memory_and_by_blocks(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    adata = thinned(seed)
    ld.datasets.pbmc3k().write_zarr(folder / "deep.zarr")
    lazy = read_lazy(folder / "deep.zarr")
    ld.pp.emulate_low_depth(lazy, rng=seed)
    model = train(adata, seed, options)
    lazy.obsm[KEY] = model.get_latent_representation(lazy)
    latents = {}
    for path, cells in {"memory": adata, "dask": lazy}.items():
        ld.tl.refine_low_umi(cells, model, low_umi=options.low_umi, rng=seed, progress_bar=False)
        latents |= {path: cells.obsm[KEY], f"{path}, refined": cells.obsm[f"{KEY}_refined"]}
    return latents


def on_disk(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "thinned.zarr"
    thinned(seed).write_zarr(path)
    train(str(path), seed, options)
    return {"disk": ad.read_zarr(path).obsm[KEY]}


def in_two_processes(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "latent.npy"
    settings = [f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("epochs", "batch-size", "low-umi")]
    subprocess.run([*TORCHRUN, __file__, *settings, f"--rank-seed={seed}", f"--rank-out={out}"], check=True)
    return {"two processes": np.load(out)}


PATHS = (in_memory_and_by_blocks, on_disk, in_two_processes)


def as_rank(options: argparse.Namespace) -> None:
    """Be one of the processes that :func:`in_two_processes` starts."""
    from lightning.pytorch.utilities import rank_zero_only  # noqa: PLC0415

    adata = thinned(options.rank_seed)
    train(adata, options.rank_seed, options, n_devices=2)
    if rank_zero_only.rank == 0:
        np.save(options.rank_out, adata.obsm[KEY])


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
        latents: dict[str, np.ndarray] = {}
        for path in PATHS:
            with tempfile.TemporaryDirectory() as folder:
                latents |= path(seed, options, Path(folder))
        adata.obsm.update(latents)
        score = ld.tl.label_transfer_score(
            adata, "cell_type", use_rep=list(latents), low_umi=options.low_umi, n_bootstrap=0
        )
        scores.append(score.overall[["accuracy", "balanced_accuracy"]])
        print(f"seed {seed}", scores[-1].round(3).to_string(), sep="\n", flush=True)
    table = pd.concat(scores).groupby(level=0, sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
