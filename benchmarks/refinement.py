"""What the refinement's two corrections are worth: neighbours that speak with each reference, and residuals.

    uv run --group benchmarks benchmarks/refinement.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id
    uv run --group benchmarks benchmarks/refinement.py --data pbmc3k_2638.h5ad --low-umi 500 --epochs 40 \
        --batch-size 256

The default is trained once a seed, on cells that are thinned as in ``accuracy.py``, and refined with 0, 1, 2, ...
neighbours, with the residuals and without them. The table gives accuracy / balanced accuracy as ``ablation.py`` does,
by 15 neighbours in the refined embedding and by the posterior weights, mean ± standard deviation. The columns after
"Δ" are paired differences with their standard errors: of the rows with residuals to the same without them, of those
without to the fewest neighbours. Finished seeds are lines of a table in ``benchmarks/results`` and not repeated.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd
from ablation import score, train
from ablation_variants import VARIANTS
from real_cells import parser_for

import lowdepth as ld

if TYPE_CHECKING:
    import argparse

WAYS = ("refined", "posterior")
KEYS = ["neighbours", "residuals"]


def columns_of(way: str) -> list[str]:
    return [f"{way} overall", f"{way} balanced"]


def run(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    """Train once and refine in all ways, or read what an earlier run found."""
    path = options.results / f"refinement-{options.data.stem}-{options.epochs}x{options.batch_size}.csv"
    asked = list(product(options.neighbors, [False, True]))
    if path.exists():
        finished = pd.read_csv(path).drop_duplicates(["seed", *KEYS]).query("seed == @seed").set_index(KEYS)
        if set(asked) <= set(finished.index):
            return finished.loc[asked].drop(columns="seed")
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    model = train(VARIANTS["forgotten over 100 epochs"], adata, seed, options)
    rows = []
    for n_neighbors, residuals in asked:
        found = score(adata, model, options, n_neighbors=n_neighbors, residuals=residuals)
        values = {column: value for way in WAYS for column, value in zip(columns_of(way), found[way], strict=True)}
        rows.append({"seed": seed, "neighbours": n_neighbors, "residuals": residuals, **values})
    table = pd.DataFrame(rows).round(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, mode="a", header=not path.exists(), index=False)
    return table.set_index(KEYS).drop(columns="seed")


def compared_with(runs: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """Give for each run that of its seed which it is compared with: without residuals, or with fewest neighbours."""
    others = [(seed, n if residuals else fewest, False) for seed, n, residuals in runs.index]
    return runs.loc[others].set_axis(runs.index)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--neighbors", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    runs = pd.concat({seed: run(seed, options) for seed in range(options.seeds)}, names=["seed"])
    level = runs.groupby(level=KEYS)
    change = (runs - compared_with(runs, options.neighbors[0])).groupby(level=KEYS)
    table = {}
    for way in WAYS:
        shown = level.mean().map("{:.3f}".format) + " ± " + level.std().map("{:.3f}".format)
        gained = change.mean().map("{:+.3f}".format) + " ± " + change.sem().map("{:.3f}".format)
        for title, cells in ((way, shown), (f"Δ {way}", gained)):
            table[title] = cells[columns_of(way)].agg(" / ".join, axis=1)
    print(f"\n{options.data.name}, {options.epochs} epochs of batch {options.batch_size}, {options.seeds} seeds")
    print(pd.DataFrame(table).reset_index().to_markdown(index=False))


if __name__ == "__main__":
    main()
