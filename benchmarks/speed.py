"""How fast training is, beside scvi-tools on the same cells in the same run.

    uv run benchmarks/speed.py                     # simulated, 20,000 cells by 32,000 genes
    uv run benchmarks/speed.py --data FILE --batch-key sample_id
    uv run benchmarks/speed.py --growth 5000 20000 50000

All train at the tutorial's settings (batch 512, all cells, Adam): scvi-tools and the preset "paper"
the published joint embedding, "denoise" a network of twice the width that also decodes twice.
They take turns, so that what else the machine does hits all; the table shows medians. A training
of two epochs less one of one epoch is an epoch without start-up. scvi-tools sees
``--upstream-cells`` of the cells, since cells per second do not depend on their number.
The floor is the published decoder's three matrix products alone, at the precision that is used.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scvi
import torch

import lowdepth as ld
from lowdepth.model._objective import sample_keep
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model.engine import take_rows, thinned_values
from lowdepth.model.engine._likelihood import tiles
from lowdepth.model.engine._precision import has_bfloat16_units, products

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 512
UPSTREAM, FLOAT32, AUTO, DENOISE = "scvi-tools", "paper, float32", "paper", "denoise"
OURS = {
    FLOAT32: {"preset": "paper", "precision": "float32"},
    AUTO: {"preset": "paper"},
    DENOISE: {"preset": "denoise"},
}


def build(engine: str, adata: ad.AnnData, options: argparse.Namespace) -> Any:
    model_class = scvi.external.JointEmbeddingSCVI if engine == UPSTREAM else ld.model.JointEmbedding
    model_class.setup_anndata(adata, batch_key=options.batch_key)
    return model_class(adata, n_latent=32, gene_likelihood="nb", **OURS.get(engine, {}))


def train(model: Any, epochs: int, options: argparse.Namespace, **trainer: Any) -> float:
    model.module.train()
    start = time.perf_counter()
    model.train(
        max_epochs=epochs,
        batch_size=BATCH,
        train_size=1.0,
        plan_kwargs={"lr": 0.004},
        accelerator=options.accelerator,
        enable_progress_bar=False,
        log_every_n_steps=1,
        **trainer,
    )
    return time.perf_counter() - start


def embed(model: Any) -> float:
    start = time.perf_counter()
    model.get_latent_representation()
    return time.perf_counter() - start


def timed(function: Callable[[], Any], repeats: int = 7) -> float:
    """Give the median of the seconds that a call takes, after one for warming up."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def floor(n_vars: int, precision: str, n_hidden: int = 128) -> float:
    """Give the seconds of the decoder's three matrix products for a minibatch, tile by tile."""
    hidden, weight, gradient = (
        torch.randn(BATCH, n_hidden),
        torch.randn(n_vars, n_hidden),
        torch.zeros(n_vars, n_hidden),
    )
    tile = torch.randn(BATCH, n_vars)

    def multiply() -> None:
        with products(precision, hidden.device):
            for cells in tiles(BATCH, n_vars, hidden.device):
                torch.mm(hidden[cells], weight.t(), out=tile[cells])
                torch.mm(tile[cells], weight)
                gradient.addmm_(tile[cells].t(), hidden[cells])

    return timed(multiply)


def thinning(counts: Any) -> float:
    """Give the seconds that thinning a minibatch takes."""
    batch = take_rows(counts, np.arange(BATCH))
    keep = sample_keep(batch.total(), 10)
    return timed(lambda: thinned_values(batch, keep))


def load(options: argparse.Namespace, n_obs: int) -> ad.AnnData:
    if options.data is None:
        adata = ld.datasets.simulate(n_obs, options.genes, rng=0)
    else:
        adata = ad.read_h5ad(options.data)
        ld.pp.emulate_low_depth(adata, rng=0)
    adata.X = adata.X.tocsr().astype(np.float32)
    return adata


def race(options: argparse.Namespace) -> pd.DataFrame:
    adata = load(options, options.cells)
    few = adata[: options.upstream_cells].copy()
    data = {UPSTREAM: few, **dict.fromkeys(OURS, adata)}
    models = {engine: build(engine, data[engine], options) for engine in data}
    rounds = []
    for model in models.values():
        train(model, 1, options)
    for _ in range(options.rounds):
        for engine, model in models.items():
            n_obs = data[engine].n_obs
            epoch = train(model, 2, options) - train(model, 1, options)
            rounds.append({"engine": engine, "train": n_obs / epoch, "embed": n_obs / embed(model)})
    table = pd.DataFrame(rounds).groupby("engine", sort=False).median()
    table["train ratio"] = table["train"] / table.loc[UPSTREAM, "train"]
    table["embed ratio"] = table["embed"] / table.loc[UPSTREAM, "embed"]
    step = BATCH / table["train"]
    precision = {UPSTREAM: "float32", FLOAT32: "float32"}
    table["step ms"] = 1e3 * step
    table["floor ms"] = [1e3 * floor(adata.n_vars, precision.get(engine, "auto")) for engine in table.index]
    table["step / floor"] = table["step ms"] / table["floor ms"]
    table["thinning share"] = [np.nan, *(thinning(adata.X) / step.iloc[1:])]
    return table


def peak_memory(engine: str, options: argparse.Namespace) -> float:
    """Give the megabytes that training takes beyond a process that holds data and model; in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measure_peak, engine, options).result()


def measure_peak(engine: str, options: argparse.Namespace) -> float:
    with quiet_lightning():
        model = build(engine, load(options, options.memory_cells), options)
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = memory("VmRSS")
        train(model, 1, options, limit_train_batches=20)
        return memory("VmHWM") - before


def memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1e3


def growth(options: argparse.Namespace) -> pd.Series:
    """Give the cells a second of our training for each number of cells."""
    speeds = {}
    for n_obs in options.growth:
        model = build(AUTO, load(options, n_obs), options)
        train(model, 1, options)
        speeds[n_obs] = n_obs / median(
            train(model, 2, options) - train(model, 1, options) for _ in range(options.rounds)
        )
    return pd.Series(speeds, name="cells/s").rename_axis("cells")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="h5ad of raw counts; simulated cells otherwise")
    parser.add_argument("--batch-key")
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=32_000)
    parser.add_argument("--upstream-cells", type=int, default=2048)
    parser.add_argument("--memory-cells", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--growth", type=int, nargs="+", help="only this: cells/s for these numbers of cells")
    options = parser.parse_args()
    scvi.settings.seed = 0
    print(f"{torch.get_num_threads()} threads, bfloat16 in hardware: {has_bfloat16_units()}")
    with quiet_lightning():
        if options.growth:
            print(growth(options).round().to_string())
            return
        table = race(options)
    table["memory MB"] = [peak_memory(engine, options) for engine in table.index]
    print(table.T.to_string(float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
