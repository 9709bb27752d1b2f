"""The same small data on every path to more cells: do they give the same scores?

    uv run --extra scale benchmarks/scale_paths.py --data pbmc3k_2638.h5ad

For each seed the cells (those of ``ld.datasets.pbmc3k()`` if no file is named) are thinned as in the method's tutorial,
embedded on each path, and shallow cells' types are read off the embedding's deep neighbours. The table has means
and standard deviations over seeds, of the embedding and of the refined one. A finished run is kept in ``--runs``
and not repeated, so the command can be interrupted.

- memory: one process, minibatches of ``--batch-size`` cells;
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
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from anndata.experimental import read_lazy

import lowdepth as ld

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, REFINED = "X_joint_embedding", "X_joint_embedding_refined"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def cells(options: argparse.Namespace) -> ad.AnnData:
    return ad.read_h5ad(options.data) if options.data else ld.datasets.pbmc3k()


def thinned(seed: int, options: argparse.Namespace) -> ad.AnnData:
    adata = cells(options)
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
        refine=True,
        progress_bar=False,
        rng=seed,
        **several,
    )


def both(path: str, adata: ad.AnnData) -> dict[str, np.ndarray]:
    return {path: np.asarray(adata.obsm[KEY]), f"{path}, refined": np.asarray(adata.obsm[REFINED])}


def in_memory_and_by_blocks(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    adata = thinned(seed, options)
    cells(options).write_zarr(folder / "deep.zarr")
    lazy = read_lazy(folder / "deep.zarr")
    ld.pp.emulate_low_depth(lazy, rng=seed)
    model = train(adata, seed, options)
    lazy.obsm[KEY] = model.get_latent_representation(lazy)
    ld.tl.refine_low_umi(lazy, model, low_umi=options.low_umi, rng=seed, progress_bar=False)
    return both("memory", adata) | both("dask", lazy)


def on_disk(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "thinned.zarr"
    thinned(seed, options).write_zarr(path)
    train(str(path), seed, options)
    return both("disk", ad.read_zarr(path))


def in_two_processes(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "latents.npz"
    settings = [f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("epochs", "batch-size", "low-umi")]
    settings += [f"--data={options.data}"] if options.data else []
    subprocess.run([*TORCHRUN, __file__, *settings, f"--rank-seed={seed}", f"--rank-out={out}"], check=True)
    with np.load(out) as latents:
        return dict(latents)


PATHS = (in_memory_and_by_blocks, on_disk, in_two_processes)


def run(path: Callable[..., dict[str, np.ndarray]], seed: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    data = options.data.stem if options.data else "pbmc3k"
    name = f"scale-{data}-{path.__name__}-{options.epochs}x{options.batch_size}-{options.low_umi:g}-seed{seed}"
    kept = options.runs / f"{name}.npz"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            latents = path(seed, options, Path(folder))
        options.runs.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **latents)
    with np.load(kept) as latents:
        return dict(latents)


def as_rank(options: argparse.Namespace) -> None:
    """Be one of the processes that :func:`in_two_processes` starts."""
    from lightning.pytorch.utilities import rank_zero_only  # noqa: PLC0415

    adata = thinned(options.rank_seed, options)
    train(adata, options.rank_seed, options, n_devices=2)
    if rank_zero_only.rank == 0:
        np.savez(options.rank_out, **both("two processes", adata))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="h5ad of raw counts with obs['cell_type']")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--low-umi", type=float, default=500)
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    parser.add_argument("--rank-seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rank-out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_out:
        as_rank(options)
        return
    scores = []
    for seed in range(options.seeds):
        adata = thinned(seed, options)
        latents = {name: latent for path in PATHS for name, latent in run(path, seed, options).items()}
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
