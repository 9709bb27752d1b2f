"""The tutorial's protocol on any h5ad of raw counts: scvi-tools' models beside ours.

    uv run benchmarks/accuracy.py --data FILE --low-umi 1000 --batch-key sample_id --seeds 5

Every seed thins the cells anew (10**Normal(-1, 1), floor 20 UMI); all methods see the same
thinned cells, number of epochs, batch size and learning rate, and are scored alike: a
15-nearest-neighbour classifier from the deep to the shallow cells. Thinned clean cells are
easier than real shallow droplets, so read the differences, not the levels.
A finished run is kept in ``--runs`` and not repeated, so the command can be interrupted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scvi
from real_cells import kept_run, parser_for

import lowdepth as ld
from lowdepth.model._seed import seeded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

TUTORIAL = {"n_latent": 32, "gene_likelihood": "nb"}


def scvi_tools(model_class: type, adata: ad.AnnData, seed: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    with seeded(seed):
        model_class.setup_anndata(adata, batch_key=options.batch_key)
        model = model_class(adata, **TUTORIAL)
        model.train(
            max_epochs=options.epochs,
            batch_size=options.batch_size,
            train_size=1.0,
            plan_kwargs={"lr": 0.004},
            accelerator=options.accelerator,
        )
        return {"": model.get_latent_representation()}


def lowdepth(preset: str, adata: ad.AnnData, seed: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    refine = preset == "denoise"
    ld.tl.joint_embedding(
        adata,
        batch_key=options.batch_key,
        preset=preset,
        max_epochs=options.epochs,
        batch_size=options.batch_size,
        accelerator=options.accelerator,
        low_umi=options.low_umi,
        refine=refine,
        rng=seed,
    )
    refined = {", refined": adata.obsm["X_joint_embedding_refined"]} if refine else {}
    return {"": adata.obsm["X_joint_embedding"], **refined}


METHODS: dict[str, Callable[[ad.AnnData, int, argparse.Namespace], dict[str, np.ndarray]]] = {
    "scvi-tools SCVI": lambda *run: scvi_tools(scvi.model.SCVI, *run),
    "scvi-tools JointEmbeddingSCVI": lambda *run: scvi_tools(scvi.external.JointEmbeddingSCVI, *run),
    "lowdepth scvi": lambda *run: lowdepth("scvi", *run),
    "lowdepth paper": lambda *run: lowdepth("paper", *run),
    "lowdepth denoise": lambda *run: lowdepth("denoise", *run),
}


def embed(
    method: str, adata: ad.AnnData, seed: int, options: argparse.Namespace
) -> tuple[dict[str, np.ndarray], float]:
    """Give the embeddings by name, and the seconds that they took together."""
    path = kept_run(method.replace(" ", "-"), seed, options, "batch_size", suffix=".npz")
    if not path.exists():
        start = time.perf_counter()
        latents = METHODS[method](adata.copy(), seed, options)
        seconds = time.perf_counter() - start
        np.savez(path, seconds=seconds, **{method + suffix: latent for suffix, latent in latents.items()})
    with np.load(path) as run:
        seconds = float(run["seconds"])
        return {name: run[name] for name in run.files if name != "seconds"}, seconds


def run_seed(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    seconds = {}
    for method in options.methods:
        latents, took = embed(method, adata, seed, options)
        adata.obsm.update(latents)
        seconds |= dict.fromkeys(latents, took)
    score = ld.tl.label_transfer_score(
        adata, options.label_key, use_rep=list(seconds), low_umi=options.low_umi, n_bootstrap=0
    )
    table = score.overall[["accuracy", "balanced_accuracy"]].assign(seconds=seconds, seed=seed)
    print(table.to_string(float_format="{:.3f}".format), flush=True)
    return table


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    grouped = runs.groupby(level=0, sort=False)
    columns = {
        name: grouped[name].agg(lambda values: f"{values.mean():.3f} ± {values.std(ddof=1):.3f}")
        for name in ("accuracy", "balanced_accuracy")
    }
    return pd.DataFrame({**columns, "seconds": grouped["seconds"].median().round(), "seeds": grouped.size()})


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args()
    runs = pd.concat([run_seed(seed, options) for seed in range(options.seeds)])
    print(f"\n{options.data.name}: mean ± standard deviation over {options.seeds} seeds, median seconds")
    print(summary(runs).to_string())


if __name__ == "__main__":
    main()
