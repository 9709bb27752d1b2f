"""Types that are more frequent among shallow cells than among deep ones: what correcting for it is worth.

    uv run --group benchmarks benchmarks/label_shift.py --seeds 5

Cells of eight types are simulated (``ld.datasets.simulate``), three quarters of them are thinned to 20 to 500 UMIs, and
of one type all but a share of the deep cells are taken away: all are left, a third, a tenth, a thirtieth, or one cell.
The model is trained on what is left, without labels. The tables have the balanced accuracy of the shallow cells and the
recall of that type: by plain votes of 15 neighbours, and by each calibrated method without and with the correction.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, recall_score

import lowdepth as ld

if TYPE_CHECKING:
    import anndata as ad

LEFT = {"all": 1.0, "a third": 1 / 3, "a tenth": 1 / 10, "a thirtieth": 1 / 30, "one cell": 0.0}
METHODS = ("knn", "depth_matched", "posterior")
LOW_UMI = 600


def cells(left: float, seed: int, n_obs: int) -> tuple[ad.AnnData, str]:
    """Give deep and shallow cells, and the type of which few of the deep ones are left."""
    adata = ld.datasets.simulate(n_obs, 500, n_types=8, n_batches=1, median_umi=1500, type_effect=1.0, rng=seed)
    generator = np.random.default_rng(seed)
    shallow = generator.random(n_obs) < 0.75
    depth = np.where(shallow, np.exp(generator.uniform(np.log(20), np.log(500), n_obs)), np.inf)
    umis = np.asarray(adata.X.sum(axis=1)).ravel()
    ld.pp.thin_to_depth(adata, np.minimum(depth, umis), rng=seed)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    deep = adata.obs["total_umi"].to_numpy() >= LOW_UMI
    usable = deep | shallow
    rare = adata.obs["cell_type"].value_counts().index[2]
    own = generator.permutation(np.flatnonzero(deep & (adata.obs["cell_type"] == rare).to_numpy()))
    usable[own[max(1, round(left * len(own))) :]] = False
    return adata[usable & (adata.obs["total_umi"] >= 20)].copy(), rare


def run(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    rows = []
    for name, left in LEFT.items():
        adata, rare = cells(left, seed, options.cells)
        model = ld.tl.joint_embedding(adata, max_epochs=30, batch_size=128, low_umi=LOW_UMI, progress_bar=False)
        shallow = adata.obs["total_umi"] < LOW_UMI
        truth = adata.obs["cell_type"][shallow]
        ways = {"votes": {"use_rep": "X_joint_embedding"}}
        for method in METHODS:
            ways[method] = {"model": model, "method": method, "label_shift": False}
            ways[f"{method}, corrected"] = {"model": model, "method": method}
        for way, how in ways.items():
            ld.tl.label_transfer(adata, "cell_type", low_umi=LOW_UMI, **how)
            said = adata.obs["label_transfer"][shallow]
            recall = recall_score(truth, said, labels=[rare], average="macro")
            rows.append({"left": name, "way": way, "balanced": balanced_accuracy_score(truth, said), "recall": recall})
    table = pd.DataFrame(rows)
    print(seed, table.pivot(index="way", columns="left", values="balanced").round(3).to_string(), flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    runs = pd.concat([run(seed, options) for seed in range(options.seeds)])
    grouped = runs.groupby(["way", "left"], sort=False)[["balanced", "recall"]]
    mean, spread = grouped.mean(), grouped.std()
    shown = mean.map("{:.3f}".format) + " ± " + spread.map("{:.3f}".format)
    for score in shown:
        print(f"\n{score}, {options.seeds} seeds: mean ± standard deviation")
        print(shown[score].unstack("left").reindex(columns=list(LEFT)).to_markdown())


if __name__ == "__main__":
    main()
