"""What 1, 10 and 100 million cells would take, on paper, by the rates that were measured.

    uv run --extra scale benchmarks/scale_plan.py

``--rates`` is a table of ``scale.py``, of a run on ``--cores`` that did nothing else. Everything is in proportion to
the cells but the memory, which has a constant part. What several devices send in a step is counted, in a step of a
network of that size in one process that sums as two do; the rest is arithmetic:

- a ring of W devices sends and receives each byte of the gradients 2 (W - 1) / W times;
- a device of r cells/s waits for the network if ``batch / r`` is less than what the bytes take.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from torch import distributed

import lowdepth as ld
from lowdepth.model._nonzero_batches import NonzeroLoader
from lowdepth.model.ranks._sums import joined
from lowdepth.model.stored._shuffle import BYTES_OF_A_COUNT

BATCH = 512
EPOCHS = 25
"""The fewest that the default trains for, and what it takes from 47,000 cells on."""
BYTES_OF_A_CELL = 5 * 8
"""In memory out of core: batch, label, position, depth, and where its counts begin."""


def sent_in_a_step(n_genes: int) -> dict[str, int]:
    """Count the bytes of the gradients, and of the sums over all devices' cells (batch norm, correlation)."""
    adata = ld.datasets.simulate(BATCH, n_genes, median_umi=100, rng=0)
    ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    model = ld.model.JointEmbedding(adata, n_hidden=256)
    (minibatch,) = NonzeroLoader(model.adata_manager, batch_size=BATCH)
    sums = []
    with joined(2), patch.object(distributed, "all_reduce", lambda total: sums.append(total.nbytes)):
        _, _, losses = model.module(minibatch, loss_kwargs={"kl_weight": 1.0})
        losses.loss.backward()
    gradients = sum(weights.grad.nbytes for weights in model.module.parameters() if weights.grad is not None)
    return {"gradients": gradients, "sums": sum(sums), "number of sums": len(sums)}


def on_one_machine(rates: pd.DataFrame, cells: float, options: argparse.Namespace) -> dict[str, float]:
    simulate, convert, epoch = (rates.loc[part] for part in ("simulate", "convert", "epoch"))
    label = rates.loc[["label"]]
    seconds_to_label, _ = np.polyfit(label["cells"], label["cpu s"], 1)  # without what it takes for any number
    speed = epoch["cells/s"]
    return {
        "counts in memory, GB": cells * simulate["non-zeros a cell"] * BYTES_OF_A_COUNT / 1e9,
        "store, GB": cells * simulate["disk GB"] / simulate["cells"],
        "shuffled, and read in an epoch, GB": cells * convert["disk GB"] / convert["cells"],
        "arrays in memory that grow with the cells, GB": cells * BYTES_OF_A_CELL / 1e9,
        "shuffling, core hours": cells / convert["cells"] * convert["cpu s"] / 3600,
        f"{EPOCHS} epochs out of core, core hours": cells * EPOCHS / speed * options.cores / 3600,
        f"{EPOCHS} epochs, days on {options.cores} cores": cells * EPOCHS / speed / 86_400,
        "disk to keep up, MB/s": speed * convert["disk GB"] * 1e3 / convert["cells"],
        "embedding, refinement and labels, core hours": cells * seconds_to_label / 3600,
        "steps": cells * EPOCHS / BATCH,
    }


def on_several(sent: dict[str, int], devices: int, gigabits: float) -> dict[str, float]:
    """Give what a device sends in a step, and how fast it has to be for the network to be the bottleneck."""
    ring = 2 * (devices - 1) / devices * (sent["gradients"] + sent["sums"])
    seconds = ring / (gigabits * 1e9 / 8)
    return {"MB a step": ring / 1e6, "ms a step": seconds * 1e3, "cells/s of a device that waits": BATCH / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--rates", type=Path, default=Path(__file__).parent / "results/scale-50000-30000x8000.csv")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--devices", type=int, nargs="+", default=[2, 8, 64])
    parser.add_argument("--gigabits", type=float, nargs="+", default=[10, 200], help="of the network, a second")
    options = parser.parse_args()
    torch.manual_seed(0)
    rates = pd.read_csv(options.rates, index_col="part")
    plan = {f"{cells:,.0f}": on_one_machine(rates, cells, options) for cells in options.cells}
    print(pd.DataFrame(plan).to_string(float_format="{:,.4g}".format))
    sent = sent_in_a_step(options.genes)
    print("\nbytes of a step:", sent)
    network = {
        (devices, gigabits): on_several(sent, devices, gigabits)
        for devices in options.devices
        for gigabits in options.gigabits
    }
    table = pd.DataFrame(network).T.rename_axis(["devices", "Gbit/s"])
    print(table.to_string(float_format="{:,.4g}".format))


if __name__ == "__main__":
    main()
