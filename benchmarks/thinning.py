"""Thinning on a genome's worth of genes: ours beside scanpy's, in one process, in turns.

    uv run benchmarks/thinning.py

Both take every cell to the same depth: scanpy exactly (without replacement), ours on
average (binomial). Figures are medians of alternating runs, so that other work on the
machine slows all of them alike; read the ratios.
"""

from __future__ import annotations

import argparse
import time

import numba
import numpy as np
import pandas as pd
import scanpy as sc

import lowdepth as ld
from lowdepth.thinning import thin_counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-obs", type=int, default=10_000)
    parser.add_argument("--n-vars", type=int, default=32_000)
    parser.add_argument("--target-depth", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    adata = ld.datasets.simulate(options.n_obs, options.n_vars, rng=0)
    keep = np.minimum(1.0, options.target_depth / adata.X.sum(axis=1).A1)
    methods = {
        "scanpy.pp.downsample_counts": lambda fresh: sc.pp.downsample_counts(fresh, options.target_depth),
        "lowdepth.pp.thin_to_depth": lambda fresh: ld.pp.thin_to_depth(fresh, options.target_depth, rng=0),
        "lowdepth.thinning.thin_counts": lambda fresh: thin_counts(fresh.X, keep, np.uint64(0)),
    }
    seconds = {name: [] for name in methods}
    for _ in range(options.repeats + 1):
        for name, method in methods.items():
            fresh = adata.copy()  # scanpy thins in place
            start = time.perf_counter()
            method(fresh)
            seconds[name].append(time.perf_counter() - start)

    # the first run compiles and does not count
    table = pd.DataFrame(seconds).iloc[1:].agg(["median", "min", "max"]).T
    table["times faster"] = table["median"].iloc[0] / table["median"]
    print(
        f"{options.n_obs:,} cells x {options.n_vars:,} genes, {adata.X.nnz / options.n_obs:,.0f} non-zeros a cell, "
        f"to {options.target_depth:,} UMIs; {numba.get_num_threads()} threads, {options.repeats} runs, seconds"
    )
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
