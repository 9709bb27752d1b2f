"""What it is worth that a reference speaks together with its nearest neighbours.

    uv run --group benchmarks benchmarks/neighborhoods.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id
    uv run --group benchmarks benchmarks/neighborhoods.py --data pbmc3k_2638.h5ad --low-umi 500 --epochs 40 \
        --batch-size 256

The default is trained once a seed, on cells that are thinned as in ``accuracy.py``, and refined with 0, 1, 2, ...
neighbours. The table gives accuracy / balanced accuracy as ``ablation.py`` does, by 15 neighbours in the refined
embedding and by the posterior weights, each with the paired differences to no neighbours and their standard errors.
"""

from __future__ import annotations

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


def run(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    model = train(VARIANTS["default"], adata, seed, options)
    found = {n: score(adata, model, options, n_neighbors=n) for n in options.neighbors}
    rows = {n: [value for way in WAYS for value in by_way[way]] for n, by_way in found.items()}
    columns = pd.MultiIndex.from_product([WAYS, ["accuracy", "balanced"]])
    return pd.DataFrame(rows, index=columns).T.rename_axis("neighbours")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--neighbors", type=int, nargs="+", default=[0, 1, 2, 4, 9])
    options = parser.parse_args()
    runs = pd.concat({seed: run(seed, options) for seed in range(options.seeds)})
    gain = runs - runs.xs(options.neighbors[0], level="neighbours").reindex(runs.index, level=0)
    mean, change, error = runs.groupby(level=1).mean(), gain.groupby(level=1).mean(), gain.groupby(level=1).sem()
    table = {}
    for way in WAYS:
        table[way] = mean[way].map("{:.3f}".format).agg(" / ".join, axis=1)
        shown = change[way].map("{:+.3f}".format) + " ± " + error[way].map("{:.3f}".format)
        table[f"Δ {way}"] = shown.agg(" / ".join, axis=1)
    print(f"\n{options.data.name}, {options.epochs} epochs of batch {options.batch_size}, {options.seeds} seeds")
    print(pd.DataFrame(table).to_markdown())


if __name__ == "__main__":
    main()
