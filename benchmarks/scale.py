"""What cells cost that do not fit in memory: peak memory, time and disk, on simulated cells of any number.

    uv run --extra scale benchmarks/scale.py --cells 1000000              # all parts, a table
    uv run --extra scale benchmarks/scale.py --cells 50000 --parts thin   # one of them

Each part is a process of its own. ``base`` is its memory when all is imported and nothing read, ``peak`` its largest
resident memory. A part that is done is kept in ``--runs`` and not repeated, so the command can be interrupted; cells
that were simulated stay in ``--folder``.

- simulate: the store that the others read, written in blocks;
- convert: the shuffle before the first training;
- read: the minibatches of an epoch out of core, without a training;
- memory: an epoch of ``--memory-cells`` of the cells in memory, beside which the next one is read;
- epoch: an epoch out of core, with the same network; start-up and first minibatches do not count for its cells/s;
- thin: to depths from 100 to 10,000 UMIs, into a new layer of the store;
- label: the thinned cells are embedded, refined and labelled, a quarter of them, half and all;
- resume: ``--kill-seeds`` small trainings are killed at random, twice each, and started again.

``cpu`` is processor time of the process on all cores, which other work on the machine changes least.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import zarr
from anndata.experimental import read_lazy
from lightning.pytorch.callbacks import Callback

import lowdepth as ld
from lowdepth.model._presets import hidden_units_for
from lowdepth.model._quiet import quiet_lightning
from lowdepth.model.stored._shuffle import BYTES_OF_A_COUNT
from lowdepth.model.stored._write_back import quiet_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS_OF_A_BLOCK = 10_000
CELLS_OF_A_CHUNK = 5_000
"""Of a layer that is written."""
WARM_UP = 5
"""Minibatches before the clock starts."""


def now() -> np.ndarray:
    """Give the time on the clock and that of the process on all cores."""
    return np.array([time.perf_counter(), time.process_time()])


def memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1e3


def size_of(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e9


class Clock(Callback):
    """Cells a second of an epoch, but for its first minibatches."""

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM_UP:
            self.start, self.n_cells = now(), 0
        elif batch_idx > WARM_UP:
            self.n_cells += len(batch["X"].row_starts) - 1
            self.seconds = now() - self.start

    def speeds(self) -> dict[str, float]:
        return dict(zip(("cells/s", "cpu cells/s"), self.n_cells / self.seconds, strict=True))


def simulated(options: argparse.Namespace) -> Iterator[ad.AnnData]:
    """Give the cells of one tissue in blocks."""
    for first in range(0, options.cells, CELLS_OF_A_BLOCK):
        yield ld.datasets.simulate(
            options.cells,
            options.genes,
            median_umi=options.median_umis,
            cells=slice(first, first + CELLS_OF_A_BLOCK),
            rng=0,
        )


def simulate(options: argparse.Namespace, store: Path) -> dict[str, float]:
    part = store.with_suffix(".part.zarr")
    shutil.rmtree(part, ignore_errors=True)
    obs, counts = [], None
    for block in simulated(options):
        obs.append(block.obs)
        if counts is None:
            block.X.indptr = block.X.indptr.astype(np.int64)  # the dtype of the whole store, of 2**31 counts or more
            block.write_zarr(part)
            counts = ad.io.sparse_dataset(zarr.open_group(part, use_consolidated=False)["X"])
        else:
            counts.append(block.X)
    with quiet_zarr():
        ad.io.write_elem(zarr.open_group(part, use_consolidated=False), "obs", pd.concat(obs))
        zarr.consolidate_metadata(part)
    part.rename(store)
    n_counts = zarr.open_group(store)["X/data"].shape[0]
    return {"non-zeros a cell": n_counts / options.cells, "disk GB": size_of(store)}


def stored(store: Path) -> ld.model.StoredCells:
    return ld.model.StoredCells(store, batch_key="batch", progress_bar=False)


def convert(options: argparse.Namespace, store: Path) -> dict[str, float]:
    cells = stored(store)
    shutil.rmtree(cells.folder, ignore_errors=True)
    _ = cells.collection
    return {"disk GB": size_of(cells.folder)}


def train(cells: Any, options: argparse.Namespace) -> tuple[ld.model.JointEmbedding, dict[str, float]]:
    model, clock = ld.model.JointEmbedding(cells, n_hidden=hidden_units_for(options.cells)), Clock()
    some = {} if options.minibatches is None else {"limit_train_batches": options.minibatches}
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False, callbacks=[clock], **some)
    return model, clock.speeds()


def in_memory(options: argparse.Namespace, store: Path) -> dict[str, float]:
    adata = read_lazy(store)[: options.memory_cells].to_memory()
    ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    return {"cells": adata.n_obs, **train(adata, options)[1]}


def read(options: argparse.Namespace, store: Path) -> dict[str, float]:
    cells = stored(store)
    stream = cells.stream(cells.registry, batch_size=512, train_size=1.0)
    start = now()
    n_cells = sum(minibatch["X"].n_obs for minibatch in islice(stream.train_dataloader(), options.minibatches))
    return dict(zip(("cells/s", "cpu cells/s"), n_cells / (now() - start), strict=True))


def epoch(options: argparse.Namespace, store: Path) -> dict[str, float]:
    model, speeds = train(stored(store), options)
    model.save(store.with_suffix(".model"), overwrite=True)
    return speeds


def thin(options: argparse.Namespace, store: Path) -> dict[str, float]:
    adata = read_lazy(store)
    depths = 10 ** np.random.default_rng(0).uniform(2, 4, adata.n_obs)
    start = now()
    ld.pp.thin_to_depth(adata, depths, key_added="thinned", rng=0)
    group = zarr.open_group(store, use_consolidated=False)
    group.require_group("layers").attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
    # anndata appends chunk by chunk, and reads all row starts at each: fewer chunks, which dask's threads share
    ad.io.write_elem(group["layers"], "thinned", adata.layers["thinned"].rechunk((CELLS_OF_A_CHUNK, -1)))
    seconds = now() - start
    with quiet_zarr():
        zarr.consolidate_metadata(store)
    megabytes = group["X/data"].shape[0] * BYTES_OF_A_COUNT / 1e6
    return dict(zip(("MB/s", "cpu MB/s"), megabytes / seconds, strict=True))


def label(options: argparse.Namespace, store: Path, share: float) -> dict[str, float]:
    whole = read_lazy(store)
    n_obs = int(options.cells * share)
    adata = ad.AnnData(whole.layers["thinned"][:n_obs], whole.obs.to_memory()[:n_obs], whole.var.to_memory())
    model = ld.model.JointEmbedding.load(store.with_suffix(".model"), stored(store), accelerator="cpu")
    clock = [now()]
    adata.obsm["X_joint_embedding"] = model.get_latent_representation(adata)
    clock.append(now())
    ld.tl.refine_low_umi(adata, model, progress_bar=False)
    clock.append(now())
    ld.tl.label_transfer(adata, "cell_type", model=model)
    clock.append(now())
    steps = zip(("encode", "refine", "transfer"), np.diff(clock, axis=0), strict=True)
    speeds = dict(zip(("cells/s", "cpu cells/s"), n_obs / (clock[-1] - clock[0]), strict=True))
    return {"cells": n_obs, **{f"{step} cpu s": seconds[1] for step, seconds in steps}, **speeds}


KILLED = """
import sys
import lowdepth as ld
path, epochs, seed = sys.argv[1:]
ld.tl.joint_embedding(path, max_epochs=int(epochs), rng=int(seed), accelerator="cpu", progress_bar=False)
"""


def start_training(path: Path, epochs: int, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", KILLED, str(path), str(epochs), str(seed)])


def killed(path: Path, epochs: int, seed: int, seconds: float) -> int:
    """Train and kill the process at random, twice, after its first checkpoint; give the number of kills."""
    n_kills = 0
    while n_kills < 2:
        process = start_training(path, epochs, seed)
        while process.poll() is None and not list(path.with_name(f"{path.name}.lowdepth").glob("training-*.ckpt")):
            time.sleep(0.02)
        time.sleep(random.uniform(0, seconds / 2) + (seconds / 4 if n_kills else 0))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        n_kills += 1
    if start_training(path, epochs, seed).wait():
        sys.exit("the training that was started again failed")
    return n_kills


def resume(options: argparse.Namespace) -> pd.DataFrame:
    """Give final losses of trainings with and without a kill."""
    rows = []
    for seed in range(options.kill_seeds):
        kept = options.runs / f"scale-resume-{options.kill_cells}x{options.kill_genes}-{seed}.json"
        if not kept.exists():
            folder = options.folder / f"resume-{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            adata = ld.datasets.simulate(options.kill_cells, options.kill_genes, rng=0)
            paths = [folder / f"{name}.zarr" for name in ("whole", "killed")]
            for path in paths:
                adata.write_zarr(path)
            start = time.perf_counter()
            start_training(paths[0], options.kill_epochs, seed).wait()
            n_kills = killed(paths[1], options.kill_epochs, seed, time.perf_counter() - start)
            histories = [ad.read_zarr(path).uns["joint_embedding"]["history"]["train_loss"] for path in paths]
            losses = dict(zip(("whole", "killed"), (float(history.iloc[-1]) for history in histories), strict=True))
            kept.write_text(json.dumps({"kills": n_kills, "epochs": len(histories[1]), **losses}))
        rows.append(json.loads(kept.read_text()))
    return pd.DataFrame(rows).rename_axis("seed")


PARTS = {
    "simulate": simulate,
    "convert": convert,
    "read": read,
    "memory": in_memory,
    "epoch": epoch,
    "thin": thin,
    "label": label,
}


def measure(part: str, options: argparse.Namespace, store: Path, *arguments: float) -> dict[str, Any]:
    base, start = memory("VmRSS"), now()
    with quiet_lightning():
        found = PARTS[part](options, store, *arguments)
    row = {"part": part, "cells": options.cells, **dict(zip(("s", "cpu s"), now() - start, strict=True))}
    return row | {"base MB": base, "peak MB": memory("VmHWM")} | found


def measured(part: str, options: argparse.Namespace, store: Path, *arguments: float) -> dict[str, Any]:
    name = "-".join(map(str, ["scale", part, *arguments, options.cells, store.stem.split("-", 1)[1]]))
    kept = options.runs / f"{name}.json"
    if not kept.exists():
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            row = process.submit(measure, part, options, store, *arguments).result()
        kept.write_text(json.dumps(row))
    return json.loads(kept.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--median-umis", type=float, default=8000, help="about 2,500 non-zeros a cell")
    parser.add_argument("--memory-cells", type=int, default=20_000)
    parser.add_argument("--minibatches", type=int, help="end an epoch after so many, where a whole one takes too long")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "resume"], default=[*PARTS, "resume"])
    parser.add_argument("--kill-seeds", type=int, default=5)
    parser.add_argument("--kill-cells", type=int, default=2000)
    parser.add_argument("--kill-genes", type=int, default=1000)
    parser.add_argument("--kill-epochs", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/runs/scale"))
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.runs.mkdir(parents=True, exist_ok=True)
    store = options.folder / f"{options.cells}-{options.genes}x{options.median_umis:g}.zarr"
    rows = []
    for part in ["simulate", *(part for part in PARTS if part in options.parts and part != "simulate")]:
        for share in (0.25, 0.5, 1.0) if part == "label" else (None,):
            rows.append(measured(part, options, store, *([] if share is None else [share])))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).set_index("part")
    table.to_csv(options.runs / f"scale-{store.stem}.csv")
    print(table.T.to_string(float_format="{:,.4g}".format, na_rep=""))
    if "resume" in options.parts:
        print(resume(options).to_string(float_format="{:,.4f}".format))


if __name__ == "__main__":
    main()
