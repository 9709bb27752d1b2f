"""What rescuing shallow cells does to everything else: deep cells, batches, states, reconstruction.

    uv run --group benchmarks benchmarks/no_damage.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id

For each seed cells are thinned as in ``accuracy.py``, and each method is trained twice, on nine tenths of the cells
with ``--batch-key`` and on all cells without it. ``"scvi"`` and ``"paper"`` compute what scvi-tools' SCVI and
JointEmbeddingSCVI do, number for number (tests/model). The table has means and standard deviations over seeds:

- bio conservation, batch correction: the totals of scib-metrics (Luecken et al. 2022) on the deep cells;
- deep beside shallow: iLISI (0 to 1) of four bins of depth within each type, the mean over cells of the types;
- depth, depth within type: share of the variance of log10 UMI that can be read off (``ld.tl.depth_leakage``);
- held-out reconstruction: minus the log-likelihood of deep cells that were not trained on, over that of "scvi";
- type and state: balanced accuracy of shallow cells' type together with their batch, without ``--batch-key``.

A refined embedding has no decoder of its own, and leaves deep cells as they are. A finished run is kept in ``--runs``.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from real_cells import kept_run, parser_for
from scib_metrics import ilisi_knn
from scib_metrics.benchmark import Benchmarker
from scib_metrics.nearest_neighbors import NeighborsResults
from sklearn.neighbors import NearestNeighbors

import lowdepth as ld
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model._seed import seeded

if TYPE_CHECKING:
    import argparse

PRESETS = ("scvi", "paper", "denoise")
REFINED = "denoise, refined"
N_NEIGHBORS = 90


def train(adata: ad.AnnData, preset: str, seed: int, options: argparse.Namespace, **how: Any) -> Any:
    batch_key = how.pop("batch_key", None)
    with seeded(seed), quiet_lightning():
        ld.model.JointEmbedding.setup_anndata(adata, batch_key=batch_key)
        model = ld.model.JointEmbedding(adata, preset=preset)
        model.train(options.epochs, accelerator="cpu", enable_progress_bar=False, **how)
    return model


def embed(adata: ad.AnnData, model: Any, preset: str, options: argparse.Namespace) -> None:
    adata.obsm[preset] = model.get_latent_representation()
    if preset == "denoise":
        ld.tl.refine_low_umi(adata, model, low_umi=options.low_umi, key_added=REFINED, progress_bar=False)


def scib_totals(deep: ad.AnnData, options: argparse.Namespace) -> pd.DataFrame:
    cells = ad.AnnData(deep.X, deep.obs[[options.batch_key, options.label_key]].copy(), obsm=dict(deep.obsm))
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.pca(cells)
    measured = Benchmarker(
        cells,
        options.batch_key,
        options.label_key,
        list(PRESETS),
        pre_integrated_embedding_obsm_key="X_pca",
        progress_bar=False,
    )
    with warnings.catch_warnings(action="ignore"):
        measured.benchmark()
        totals = measured.get_results(min_max_scale=False)
    totals = totals.loc[list(PRESETS), ["Bio conservation", "Batch correction"]].astype(float)
    totals.loc[REFINED] = totals.loc["denoise"]
    return totals


def depth_ilisi(latent: np.ndarray, depth: np.ndarray, label: np.ndarray) -> float:
    """Give the iLISI of quarters of depth among neighbours of the same type, the mean over cells."""
    total, weight = 0.0, 0
    for kind in np.unique(label):
        own = label == kind
        n_neighbors = min(N_NEIGHBORS, own.sum() // 3)
        if n_neighbors < 15:
            continue
        distance, index = NearestNeighbors(n_neighbors=n_neighbors).fit(latent[own]).kneighbors(latent[own])
        quarter = pd.qcut(depth[own], 4, labels=False)
        total += own.sum() * ilisi_knn(NeighborsResults(index, distance), quarter)
        weight += own.sum()
    return total / weight


def run(seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    ld.pp.depth_metrics(adata, low_umi=options.low_umi)
    deep = (adata.obs["total_umi"] >= options.low_umi).to_numpy()
    stateful = adata.copy()
    table = {}
    for preset in PRESETS:
        model = train(adata, preset, seed, options, batch_key=options.batch_key, train_size=0.9)
        embed(adata, model, preset, options)
        held_out = np.intersect1d(model.validation_indices, np.flatnonzero(deep))
        loss = model.get_reconstruction_error(indices=held_out)["reconstruction_loss"]
        table[preset] = {"held-out reconstruction": float(loss)}
        embed(stateful, train(stateful, preset, seed, options), preset, options)
    table[REFINED] = {"held-out reconstruction": np.nan}
    methods = list(table)

    scib = scib_totals(adata[deep], options)
    leakage = ld.tl.depth_leakage(adata, methods, label_key=options.label_key, batch_key=options.batch_key)
    states = [adata.obs[key].astype(str) for key in (options.label_key, options.batch_key)]
    stateful.obs["type and state"] = (states[0] + " " + states[1]).astype("category")
    score = ld.tl.label_transfer_score(
        stateful, "type and state", use_rep=methods, low_umi=options.low_umi, n_bootstrap=0
    )
    reference = table["scvi"]["held-out reconstruction"]
    for method in methods:
        table[method] = {
            "bio conservation": scib.loc[method, "Bio conservation"],
            "batch correction": scib.loc[method, "Batch correction"],
            "deep beside shallow": depth_ilisi(
                adata.obsm[method], adata.obs["total_umi"].to_numpy(), states[0].to_numpy()
            ),
            "depth": leakage.loc[method, "r2"],
            "depth within type": leakage.loc[method, "r2_within_type"],
            "held-out reconstruction": table[method]["held-out reconstruction"] / reference,
            "type and state": score.overall.loc[method, "balanced_accuracy"],
        }
    return {method: {name: float(value) for name, value in row.items()} for method, row in table.items()}


def cached(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    path = kept_run("no-damage", seed, options)
    if not path.exists():
        path.write_text(json.dumps(run(seed, options)))
    table = pd.DataFrame(json.loads(path.read_text())).T
    print(f"seed {seed}\n{table.to_string(float_format='{:.3f}'.format)}", flush=True)
    return table


def main() -> None:
    parser = parser_for(__doc__, required=("data", "batch_key"))
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args()
    grouped = pd.concat([cached(seed, options) for seed in range(options.seeds)]).groupby(level=0, sort=False)
    spread = grouped.std(ddof=1)
    print(f"\n{options.data.name}, {options.epochs} epochs, {options.seeds} seeds")
    print((grouped.mean().map("{:.3f}".format) + " ± " + spread.map("{:.3f}".format)).T.to_markdown())


if __name__ == "__main__":
    main()
