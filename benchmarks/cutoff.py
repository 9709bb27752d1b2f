"""Does the recommended cutoff hold what it promises, on cells that the model has never seen?

    uv run --group benchmarks benchmarks/cutoff.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id

Every seed splits the deep cells at random into halves. The model learns from the one half and from thinned copies of it
(as in ``accuracy.py``, those below ``--low-umi``), and ``recommend_cutoff`` sees nothing else. Cells of the other half
are thinned to the cutoff, to both ends of its interval, and to random depths above it (log-uniform, up to
``--low-umi``), embedded by ``map_query`` and labelled by 15 neighbours among the deep cells of the first half: in the
first table all cells at the cutoff of all cells, in the second each type at its own. The third table is the depth
leakage of the embeddings of ``accuracy.py``, of all cells. A finished run is kept in ``--runs`` and not repeated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from accuracy import embed
from real_cells import kept_run, parser_for
from scipy.stats import binomtest
from sklearn.neighbors import KNeighborsClassifier

import lowdepth as ld

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

PRESETS = ("scvi", "paper", "denoise")
ENDS = ["cutoff_low", "cutoff", "cutoff_high"]
ALL_CELLS = "all cells"
PLACES = [*ENDS, "above"]


def halves(seed: int, options: argparse.Namespace) -> tuple[ad.AnnData, ad.AnnData]:
    """Give what the model may see, and the cells that are held out."""
    adata = ad.read_h5ad(options.data)
    ld.pp.depth_metrics(adata, low_umi=options.low_umi)
    adata = adata[adata.obs["total_umi"] >= options.low_umi].copy()
    is_seen = np.random.default_rng(seed).permutation(adata.n_obs) < adata.n_obs // 2
    deep = adata[is_seen].copy()
    copies = ld.pp.emulate_low_depth(deep, rng=seed, copy=True)
    # a copy that is still deep would recognise its original
    copies = copies[copies.obs["total_umi"] < options.low_umi]
    return ad.concat({"deep": deep, "copy": copies}, index_unique=" "), adata[~is_seen].copy()


def promise(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Give the cutoffs, and what share of the held-out cells is right at them."""
    seen, held_out = halves(seed, options)
    model = ld.tl.joint_embedding(
        seen,
        batch_key=options.batch_key,
        max_epochs=options.epochs,
        batch_size=options.batch_size,
        accelerator=options.accelerator,
        low_umi=options.low_umi,
        rng=seed,
        progress_bar=False,
    )
    found = ld.tl.recommend_cutoff(
        seen, model, options.label_key, target=options.target, low_umi=options.low_umi, rng=seed, progress_bar=False
    )
    is_deep = (seen.obs["total_umi"] >= options.low_umi).to_numpy()
    deep = seen[is_deep]
    neighbors = KNeighborsClassifier(15).fit(deep.obsm["X_joint_embedding"], deep.obs[options.label_key].astype(str))
    truth = held_out.obs[options.label_key].astype(str).to_numpy()
    generator = np.random.default_rng(seed)

    def is_right(depth: np.ndarray | float) -> np.ndarray:
        thinned = ld.pp.thin_to_depth(held_out, depth, rng=generator, copy=True)
        ld.tl.map_query(thinned, model, key_added="X_query")
        return neighbors.predict(thinned.obsm["X_query"]) == truth

    cutoffs = found.cutoffs.astype({"label": str}).set_index("label")
    # where the target is out of reach, the greatest depth is as near as it gets
    depths = np.log(cutoffs[ENDS].clip(upper=options.low_umi))
    right = {}
    for name, groups in {ALL_CELLS: np.full(len(truth), ALL_CELLS), "own type": truth}.items():
        at = depths.reindex(groups).set_axis(range(len(truth))).fillna(np.log(options.low_umi))
        at["above"] = generator.uniform(at["cutoff"], np.log(options.low_umi))
        right[name] = pd.DataFrame({place: is_right(np.exp(at[place].to_numpy())) for place in PLACES}).groupby(groups)
    shares = pd.concat([groups.mean().join(groups.size().rename("n_held_out")) for groups in right.values()])
    curve = found.curve.overall[["depth", "accuracy"]]
    curve = curve.assign(held_out=[is_right(depth).mean() for depth in curve["depth"]])
    table = cutoffs.join(shares.add_prefix("at_"), how="inner").rename_axis("label").reset_index()
    return {"cutoffs": table.to_dict("list"), "curve": curve.to_dict("list")}


def leakage(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Give the figures of depth leakage of each embedding that ``accuracy.py`` makes with us."""
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    for preset in PRESETS:
        adata.obsm.update(embed(f"lowdepth {preset}", adata, seed, options)[0])
    names = list(adata.obsm)
    table = ld.tl.depth_leakage(adata, names, label_key=options.label_key, batch_key=options.batch_key, rng=seed)
    return table.rename_axis("embedding").reset_index().to_dict("list")


def cached(part: Callable[[int, argparse.Namespace], dict], seed: int, options: argparse.Namespace) -> dict[str, Any]:
    path = kept_run(f"cutoff-{part.__name__}", seed, options, "batch_size", "target")
    if not path.exists():
        path.write_text(json.dumps(part(seed, options), default=float))
    return json.loads(path.read_text())


def mean_and_spread(values: pd.Series) -> str:
    digits = 0 if values.mean() > 10 else 3
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def all_cells_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Give a row for each seed, and the mean and standard deviation of all."""
    table = runs[runs["label"] == ALL_CELLS].set_index("seed")
    cutoff = table[ENDS].map("{:.0f}".format)
    shown = table[[f"at_{place}" for place in PLACES]].set_axis(["lower end", "cutoff", "upper end", "above"], axis=1)
    means = {name: mean_and_spread(column) for name, column in shown.items()}
    shown = pd.concat([shown.map("{:.3f}".format), pd.DataFrame(means, index=["mean ± sd"])])
    intervals = [f"{row.cutoff} ({row.cutoff_low} to {row.cutoff_high})" for row in cutoff.itertuples()]
    shown.insert(0, "cutoff (interval), UMIs", [*intervals, mean_and_spread(table["cutoff"])])
    return shown.rename_axis("seed")


def keeps_promise(of_types: pd.DataFrame, target: float) -> pd.Series:
    """Say whether the recall at the upper end is not below the target by more than chance."""
    held_out = of_types["at_n_held_out"].astype(int)
    right = (of_types["at_cutoff_high"] * held_out).round().astype(int)
    chance = [binomtest(k, n, target, alternative="less").pvalue for k, n in zip(right, held_out, strict=True)]
    return pd.Series(chance, of_types.index) >= 0.025


def own_type_table(of_types: pd.DataFrame, target: float) -> pd.DataFrame:
    """Give a row for each type: what came of its own cutoffs, in the seeds where these are finite."""
    rows = {}
    for label, of_type in of_types.groupby("label", sort=False):
        median = of_type["cutoff"].median()
        row = {"cutoff, median": f"{median:.0f}" if np.isfinite(median) else "out of reach"}
        ends = {"cutoff": "cutoff", "upper end": "cutoff_high", "above": "cutoff"}
        for (name, end), place in zip(ends.items(), ["cutoff", "cutoff_high", "above"], strict=True):
            within = of_type[np.isfinite(of_type[end])]
            row[name] = f"{within[f'at_{place}'].mean():.3f} ({len(within)})" if len(within) else "-"
        within = of_type[np.isfinite(of_type["cutoff_high"])]
        kept = keeps_promise(within, target)
        rows[label] = row | {"upper end holds": f"{kept.sum()} of {len(kept)}" if len(kept) else "-"}
    return pd.DataFrame(rows).T.rename_axis("type")


def summary(runs: pd.DataFrame, curves: pd.DataFrame, target: float) -> str:
    """Give the figures of the text around the tables."""
    everything, of_types = runs[runs["label"] == ALL_CELLS], runs[runs["label"] != ALL_CELLS]
    between = (everything["at_cutoff_low"] <= target) & (target <= everything["at_cutoff_high"])
    upper = of_types[np.isfinite(of_types["cutoff_high"])]
    at_own = of_types[np.isfinite(of_types["cutoff"]) & (of_types["cutoff"] > curves["depth"].min())]
    gap = 100 * (curves["accuracy"] - curves["held_out"]).mean()
    return (
        f"The target lies between the accuracies at both ends in {between.sum()} of {len(between)} seeds\n"
        f"At the types' upper ends the promise holds in {keeps_promise(upper, target).sum()} of {len(upper)} cases, in "
        f"{(upper['at_cutoff_high'] >= target).sum()} without the allowance for chance\n"
        f"At their cutoffs above the least depth the mean recall is {at_own['at_cutoff'].mean():.3f}\n"
        f"Held-out cells are recognised less often than the curve says by {gap:.1f} points"
    )


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--target", type=float, default=0.8)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args()
    seeds = range(options.seeds)
    parts = [cached(promise, seed, options) for seed in seeds]
    runs = pd.concat([pd.DataFrame(part["cutoffs"]).assign(seed=seed) for seed, part in zip(seeds, parts, strict=True)])
    print(f"{options.data.name}, target {options.target}, {options.seeds} seeds: all cells, held out")
    print(all_cells_table(runs).to_markdown())
    print("\nThe types at their own cutoffs: mean recall, and the seeds in which that depth exists")
    print(own_type_table(runs[runs["label"] != ALL_CELLS], options.target).to_markdown())
    print("", summary(runs, pd.concat([pd.DataFrame(part["curve"]) for part in parts]), options.target), sep="\n")
    leaked = pd.concat([pd.DataFrame(cached(leakage, seed, options)).drop(columns="n") for seed in seeds])
    print("\nDepth leakage")
    print(leaked.groupby("embedding", sort=False).agg(mean_and_spread).to_markdown(), flush=True)


if __name__ == "__main__":
    main()
