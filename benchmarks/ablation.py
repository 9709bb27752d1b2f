"""What each choice of the default is worth: the preset "denoise" with one thing changed at a time.

    uv run --group benchmarks benchmarks/ablation.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id
    uv run --group benchmarks benchmarks/ablation.py --data pbmc3k_2638.h5ad --low-umi 500 --epochs 40 --batch-size 256

Cells are thinned as in ``accuracy.py``, every variant on the same ones. The table gives accuracy / balanced accuracy
of the shallow cells' labels: by 15 neighbours in the encoder's embedding and in the refined one, and by the summed
posterior weights of each type's references. All variants but those that say so go without the decay of the weights,
which came to the default last, and the refinement goes without its residuals: what a training is worth shows where
nothing mends its errors. ``refinement.py`` tells what residuals add. Labels are used for these scores only. The columns
after "Δ" are paired differences of the balanced accuracies to the default's, with their standard error over seeds. A
finished run is a line of a table in ``benchmarks/results`` and not repeated: these are hours of work, which several
processes can share.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from ablation_variants import VARIANTS
from real_cells import parser_for
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

import lowdepth as ld
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model._seed import seeded

if TYPE_CHECKING:
    import argparse

    from ablation_variants import Variant

SCORES = ("amortised", "refined", "posterior")


def cells(options: argparse.Namespace) -> ad.AnnData:
    """Read the cells, or as many of them as are asked for."""
    adata = ad.read_h5ad(options.data)
    if options.cells:
        chosen = np.random.default_rng(0).choice(adata.n_obs, options.cells, replace=False)
        adata = adata[np.sort(chosen)].copy()
    return adata


def train(variant: Variant, adata: ad.AnnData, seed: int, options: argparse.Namespace) -> ld.model.JointEmbedding:
    model_class = variant.model_class
    with seeded(seed), quiet_lightning():
        model_class.setup_anndata(adata, batch_key=options.batch_key)
        model = model_class(adata, **{"forgetting_epochs": None, **variant.model})
        settings = {"max_epochs": options.epochs, "batch_size": options.batch_size, **variant.training}
        model.train(**settings, accelerator=options.accelerator, enable_progress_bar=False)
    return model


def score(
    adata: ad.AnnData, model: ld.model.JointEmbedding, options: argparse.Namespace, **refinement: int
) -> dict[str, list[float]]:
    """Give accuracy and balanced accuracy by each way from an embedding to labels."""
    adata.obsm["X_joint_embedding"] = model.get_latent_representation()
    refinement |= {"store_weights": True, "progress_bar": False}
    ld.tl.refine_low_umi(adata, model, low_umi=options.low_umi, **refinement)
    deep = (adata.obs["total_umi"] >= options.low_umi).to_numpy()
    label = adata.obs[options.label_key].astype(str).to_numpy()
    neighbors = KNeighborsClassifier(15)
    by_type = pd.get_dummies(label[deep])
    weights = adata.obsp["joint_embedding_refined_weights"][~deep][:, deep] @ by_type.to_numpy(float)
    predicted = {
        "amortised": neighbors.fit(adata.obsm["X_joint_embedding"][deep], label[deep]).predict(
            adata.obsm["X_joint_embedding"][~deep]
        ),
        "refined": neighbors.fit(adata.obsm["X_joint_embedding_refined"][deep], label[deep]).predict(
            adata.obsm["X_joint_embedding_refined"][~deep]
        ),
        "posterior": by_type.columns.to_numpy()[weights.argmax(axis=1)],
    }
    truth = label[~deep]
    return {name: [accuracy_score(truth, p), balanced_accuracy_score(truth, p)] for name, p in predicted.items()}


def run(name: str, seed: int, options: argparse.Namespace) -> pd.Series:
    """Train and score once, or read what an earlier run found."""
    name_of_data = f"{options.data.stem}-{options.cells}" if options.cells else options.data.stem
    path = options.results / f"ablation-{name_of_data}-{options.epochs}x{options.batch_size}.csv"
    if path.exists():
        finished = pd.read_csv(path).set_index(["variant", "seed"])
        if (name, seed) in finished.index:
            return finished.loc[(name, seed)]
    adata = cells(options)
    ld.pp.emulate_low_depth(adata, rng=seed)
    start = time.perf_counter()
    model = train(VARIANTS[name], adata, seed, options)
    found = {"variant": name, "seed": seed, "seconds": round(time.perf_counter() - start)}
    for way, (overall, balanced) in score(adata, model, options, residuals=False).items():
        found |= {way: round(overall, 4), f"{way}_balanced": round(balanced, 4)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([found]).to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.Series(found).drop(["variant", "seed"])


def runs_of(name: str, options: argparse.Namespace) -> pd.DataFrame:
    return pd.DataFrame([run(name, seed, options) for seed in range(options.seeds)]).reset_index(drop=True)


def row(runs: pd.DataFrame, default: pd.DataFrame) -> dict[str, str]:
    """Sum up a variant's runs, beside the default's on the same seeds."""
    cells: dict[str, str] = {}
    gain = (runs - default).astype(float)
    for way in SCORES:
        balanced = f"{way}_balanced"
        cells[way] = f"{runs[way].mean():.3f} / {runs[balanced].mean():.3f}"
        cells[f"Δ {way}"] = f"{gain[balanced].mean():+.3f} ± {gain[balanced].sem():.3f}"
    return {**cells, "seconds": f"{runs['seconds'].median():.0f}"}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--cells", type=int, help="as many of them, chosen at random (default: all)")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    rows = {}
    default = runs_of("default", options)
    for name in options.variants:
        rows[name] = row(runs_of(name, options), default)
        print(f"{name}: {rows[name]}", flush=True)
    print(f"\n{options.data.name}, {options.epochs} epochs of batch {options.batch_size}, {options.seeds} seeds")
    print(pd.DataFrame(rows).T.to_markdown())


if __name__ == "__main__":
    main()
