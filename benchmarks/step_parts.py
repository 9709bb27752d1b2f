"""What a training step consists of: milliseconds of each part, alone, on one minibatch.

    uv run benchmarks/step_parts.py
    uv run benchmarks/step_parts.py --median-umis 1000 4000 16000   # how the parts grow with the non-zeros

The published objective on 512 simulated cells by 32,000 genes, medians of seven calls. The parts
run with warm caches, so that they add up to less than a step; the rest is Lightning's and autograd's.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch
from speed import timed

import lowdepth as ld
from lowdepth.model._objective import sample_keep
from lowdepth.model.engine import decoder_log_likelihood, log1p_of_counts, sparse_linear, take_rows, thinned_values
from lowdepth.model.engine._precision import PRECISIONS
from lowdepth.model.engine._sparse_linear import gene_major


def parts(
    n_obs: int, n_vars: int, precision: str = "auto", median_umi: float | None = None, n_hidden: int = 128
) -> pd.Series:
    matrix = ld.datasets.simulate(2 * n_obs, n_vars, median_umi=median_umi, rng=0).X.tocsr().astype(np.float32)
    chosen = np.random.default_rng(0).permutation(2 * n_obs)[:n_obs]
    counts = take_rows(matrix, chosen)
    keep = sample_keep(counts.total(), 10)
    both = torch.stack([counts.values, thinned_values(counts, keep)])
    views = log1p_of_counts(both)
    first = torch.nn.Parameter(gene_major(torch.randn(n_hidden, n_vars) / n_vars**0.5))
    hidden = torch.randn(n_obs, n_hidden, requires_grad=True)
    last = torch.nn.Parameter(torch.randn(n_vars, n_hidden) / n_hidden**0.5)
    bias, dispersion = torch.nn.Parameter(torch.zeros(n_vars)), torch.nn.Parameter(torch.ones(1, n_vars))
    size = counts.total()
    optimiser = torch.optim.Adam([first, last], fused=True)

    def decode() -> None:
        likelihood = decoder_log_likelihood(counts, hidden, last, bias, size, dispersion, precision=precision)
        torch.autograd.grad(likelihood.total, [hidden, last, bias, dispersion])

    def encode() -> None:
        torch.autograd.grad(sparse_linear(counts, views, first).sum(), [first])

    first.grad, last.grad = torch.ones_like(first), torch.ones_like(last)
    seconds = pd.Series(
        {
            "select the cells": timed(lambda: take_rows(matrix, chosen)),
            "thin them": timed(lambda: thinned_values(counts, keep)),
            "logarithm of both views": timed(lambda: log1p_of_counts(both)),
            "first layer, forward": timed(lambda: sparse_linear(counts, views, first.detach())),
            "first layer, forward and backward": timed(encode),
            "last layer and likelihood, forward and backward": timed(decode),
            "Adam": timed(optimiser.step),
        },
        name=f"{len(counts.values) / n_obs:,.0f} non-zeros a cell, {precision}",
    )
    return 1e3 * seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=512)
    parser.add_argument("--genes", type=int, default=32_000)
    parser.add_argument("--median-umis", type=float, nargs="+")
    options = parser.parse_args()
    if options.median_umis:
        columns = [parts(options.cells, options.genes, median_umi=umis) for umis in options.median_umis]
    else:
        columns = [parts(options.cells, options.genes, precision) for precision in PRECISIONS[:2]]
    print(pd.concat(columns, axis="columns").to_string(float_format="{:.1f}".format))


if __name__ == "__main__":
    main()
