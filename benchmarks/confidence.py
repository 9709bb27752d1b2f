"""Whether confidences, prediction sets and typicality keep what they promise, depth by depth.

    uv run --group benchmarks benchmarks/confidence.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id
    uv run --group benchmarks benchmarks/confidence.py --time

Cells are thinned as in ``accuracy.py``, the default is trained, shallow cells are labelled by ``ld.tl.label_transfer``
and given sets by ``ld.tl.prediction_sets``. One table has a row per bin of depth: accuracy, expected calibration error
(tenths of confidence) of the reported confidence and of plain votes of 15 neighbours, coverage and size of the sets,
and accuracy of the most confident 70 %, by type and by group of types (``--groups``). Another has a row per type: how
many of its cells have a set that names it, and how many of all cells have. Coverage, size and this table come with one
threshold for all types as well. The last leaves each type out of the reference in turn and tells how well its shallow
cells are detected among all: AUROC of typicality, of one less the confidence, and of the size of the set. Thinned clean
cells are easier than real shallow droplets.

``--time`` labels 200,000 simulated cells by 20,000, once embedded, and prints the seconds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from label_transfer import calibration_error
from real_cells import kept_run, parser_for
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

import lowdepth as ld

if TYPE_CHECKING:
    import argparse

    from scvi.model.base import BaseModelClass

ALPHA = 0.1
EDGES = np.array([0, 50, 100, 200, 500, np.inf])
CONFIDENT = 0.7


def label(adata: ad.AnnData, model: BaseModelClass, seed: int, options: argparse.Namespace) -> None:
    ld.tl.label_transfer(
        adata, options.label_key, model=model, method=options.method, low_umi=options.low_umi, rng=seed
    )


def sets(adata: ad.AnnData, options: argparse.Namespace, *, by_type: bool = True) -> pd.DataFrame:
    """Give for each shallow cell and each type whether the cell's set names it."""
    ld.tl.prediction_sets(adata, alpha=ALPHA, by_type=by_type)
    types = adata.obs["label_transfer"].cat.categories
    named = pd.DataFrame(adata.obsm["prediction_sets"], index=adata.obs_names, columns=types)
    return named[adata.obs["total_umi"] < options.low_umi]


def said_of(adata: ad.AnnData, named: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Give what is said of each shallow cell."""
    said = adata.obs.loc[named.index].rename(columns=lambda name: name.removeprefix("label_transfer_"))
    truth = said[options.label_key].astype(str).to_numpy()
    return pd.DataFrame(
        {
            "umi": said["total_umi"],
            "truth": truth,
            "predicted": said["label_transfer"].astype(str),
            "confidence": said["confidence"],
            "typicality": said["typicality"],
            "covered": (named & (named.columns.to_numpy() == truth[:, np.newaxis])).any(axis=1),
            "size": named.sum(axis=1),
        }
    )


def types_in_sets(said: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """Give how many of a type's cells have a set that names it, and how many of all cells have."""
    share = {t: {"coverage": named[t][said["truth"] == t].mean(), "all cells": named[t].mean()} for t in named}
    return pd.DataFrame(share).T.rename_axis("type")


def by_depth(said: pd.DataFrame, votes: pd.DataFrame, groups: dict[str, str]) -> pd.DataFrame:
    """Give a row for each bin of depth, and one for all cells."""
    right = (said["predicted"] == said["truth"]).to_numpy()
    group_right = (said["predicted"].replace(groups) == said["truth"].replace(groups)).to_numpy()
    votes_right = (votes["predicted"] == said["truth"]).to_numpy()
    place = np.searchsorted(EDGES, said["umi"], side="right") - 1
    bins = {f"{EDGES[i]:.0f} to {EDGES[i + 1]:.0f}": place == i for i in np.unique(place)}
    rows = {}
    for name, cells in {**bins, "all": np.ones(len(said), bool)}.items():
        surest = np.flatnonzero(cells)[np.argsort(-said["confidence"].to_numpy()[cells], kind="stable")]
        surest = surest[: int(CONFIDENT * len(surest))]
        rows[name] = {
            "cells": cells.sum(),
            "accuracy": right[cells].mean(),
            "ECE": calibration_error(right[cells], said["confidence"].to_numpy()[cells]),
            "ECE of votes": calibration_error(votes_right[cells], votes["confidence"].to_numpy()[cells]),
            "coverage": said["covered"].to_numpy()[cells].mean(),
            "set size": said["size"].to_numpy()[cells].mean(),
            "surest 70 %": right[surest].mean(),
            "surest 70 %, by group": group_right[surest].mean(),
        }
    return pd.DataFrame(rows).T.rename_axis("UMIs")


def detection(adata: ad.AnnData, model: BaseModelClass, seed: int, options: argparse.Namespace) -> pd.DataFrame:
    """Leave each type out of the reference; give the AUROCs of telling its shallow cells from the others."""
    truth = adata.obs[options.label_key].astype(str)
    deep = adata.obs["total_umi"] >= options.low_umi
    rows = {}
    for left_out in np.unique(truth):
        cells = adata[~((truth == left_out) & deep)].copy()
        label(cells, model, seed, options)
        said = said_of(cells, sets(cells, options), options)
        is_new = said["truth"] == left_out
        sign = {"typicality": -1, "confidence": -1, "size": 1}
        rows[left_out] = {"cells": is_new.sum()} | {k: roc_auc_score(is_new, s * said[k]) for k, s in sign.items()}
    return pd.DataFrame(rows).T.rename_axis("left out")


def run(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    model = ld.tl.joint_embedding(
        adata,
        batch_key=options.batch_key,
        max_epochs=options.epochs,
        accelerator="cpu",
        rng=seed,
        progress_bar=False,
        train_size=options.train_size,
    )
    label(adata, model, seed, options)
    named, named_at_once = sets(adata, options), sets(adata, options, by_type=False)
    said, said_at_once = (said_of(adata, n, options) for n in (named, named_at_once))
    ld.tl.label_transfer(
        adata, options.label_key, use_rep="X_joint_embedding", low_umi=options.low_umi, key_added="votes"
    )
    votes = adata.obs.loc[said.index, ["votes", "votes_confidence"]].set_axis(["predicted", "confidence"], axis=1)
    votes["predicted"] = votes["predicted"].astype(str)
    groups = dict(pair.split("=") for pair in options.groups)
    truth, predicted = said["truth"].to_numpy(), said["predicted"].to_numpy()
    right = {"accuracy": accuracy_score(truth, predicted), "balanced": balanced_accuracy_score(truth, predicted)}
    tables = {
        "depth": by_depth(said, votes, groups),
        "types": types_in_sets(said, named),
        "depth, one threshold": by_depth(said_at_once, votes, groups)[["coverage", "set size"]],
        "types, one threshold": types_in_sets(said_at_once, named_at_once),
        "detection": detection(adata, model, seed, options),
        "labels": pd.DataFrame(right, index=["all cells"]),
    }
    return {name: table.astype(float).to_dict("index") for name, table in tables.items()}


def cached(seed: int, options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    path = kept_run("confidence", seed, options, "method", "groups", "train_size")
    if not path.exists():
        path.write_text(json.dumps(run(seed, options)))
    tables = {name: pd.DataFrame(rows).T for name, rows in json.loads(path.read_text()).items()}
    print(f"seed {seed}", *(table.to_string(float_format="{:.3f}".format) for table in tables.values()), sep="\n")
    return tables


def time_transfer() -> None:
    adata = ld.datasets.simulate(220_000, 2_000, rng=0)
    ld.pp.depth_metrics(adata)
    low_umi = float(np.quantile(adata.obs["total_umi"], 10 / 11))
    model = ld.tl.joint_embedding(adata, max_epochs=1, low_umi=low_umi, accelerator="cpu", progress_bar=False)
    for method in ("knn", "depth_matched", "posterior"):
        start = time.perf_counter()
        ld.tl.label_transfer(adata, "cell_type", model=model, method=method, low_umi=low_umi)
        print(f"{method}: {time.perf_counter() - start:.0f} s with embedding and calibration")
    start = time.perf_counter()
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_joint_embedding", low_umi=low_umi)
    print(f"votes in a representation: {time.perf_counter() - start:.0f} s")


def main() -> None:
    parser = parser_for(__doc__, required=())
    parser.add_argument("--method", default="posterior", choices=["knn", "depth_matched", "posterior"])
    parser.add_argument("--groups", nargs="*", default=[], metavar="TYPE=GROUP", help="types that count as one")
    parser.add_argument("--train-size", type=float, default=1.0, help="below 1, confidences are learnt on the rest")
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    parser.add_argument("--time", action="store_true", help="only this: seconds for 200,000 cells")
    options = parser.parse_args()
    if options.time:
        time_transfer()
        return
    seeds = [cached(seed, options) for seed in range(options.seeds)]
    print(f"\n{options.data.name}, method {options.method!r}, {options.seeds} seeds: mean ± standard deviation")
    for name in seeds[0]:
        grouped = pd.concat([tables[name] for tables in seeds]).groupby(level=0, sort=False)
        rows = grouped.mean().map("{:.3f}".format) + " ± " + grouped.std().map("{:.3f}".format)
        print(f"\n{name}\n{rows.to_markdown()}")


if __name__ == "__main__":
    main()
