"""``lowdepth demo``: rescue the shallow cells of the shipped PBMC data and show how well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lowdepth as ld
from lowdepth._files import atomically

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from anndata import AnnData

    from lowdepth.tl._score._score_result import LabelTransferScore

PRESETS = {"X_scvi": "scvi", "X_published": "paper", "X_joint_embedding": "denoise"}
NAMES = {"X_scvi": "SCVI", "X_published": "joint embedding as published", "X_joint_embedding_refined": "lowdepth"}
LOW_UMI = 500


def add_arguments(command: ArgumentParser) -> None:
    """Say what the command takes."""
    command.add_argument("--out", type=Path, default=Path("lowdepth-demo"), help="folder for the figures")
    command.add_argument("--seed", type=int, default=0, help="seed of the thinning and the training")
    command.add_argument("--max-epochs", type=int, default=20, help="passes over the data")


def demo(*, out: Path, seed: int, max_epochs: int) -> None:
    """Thin real PBMC, embed them with three models, score and draw them."""
    adata = ld.datasets.pbmc3k()
    print(f"{adata.n_obs:,} PBMC x {adata.n_vars:,} genes, thinned as if they had been sequenced less")
    ld.pp.emulate_low_depth(adata, rng=seed)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    for (key, preset), embedding in zip(PRESETS.items(), NAMES, strict=True):
        print(f"training {NAMES[embedding]}")
        ld.tl.joint_embedding(
            adata,
            preset=preset,
            max_epochs=max_epochs,
            batch_size=128,
            key_added=key,
            low_umi=LOW_UMI,
            refine=embedding != key,
            rng=seed,
        )
        ld.tl.tsne(adata, use_rep=embedding, rng=seed)
    score = ld.tl.label_transfer_score(adata, "cell_type", use_rep=list(NAMES), low_umi=LOW_UMI, rng=seed)
    print(_table(score))
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in _figures(adata).items():
        with atomically(out / f"{name}.png") as partial:
            figure.savefig(partial, format="png", dpi=150, bbox_inches="tight")
    print(f"figures: {out.resolve()}")


def _table(score: LabelTransferScore) -> str:
    overall = score.to_frame()
    rescued = (overall["accuracy"] * overall["n_query"]).round().astype(int)
    table = overall[["accuracy", "balanced_accuracy"]].map("{:.1%}".format)
    table["cells rescued"] = [f"{n:,} of {of:,}" for n, of in zip(rescued, overall["n_query"], strict=True)]
    table = table.rename(index=NAMES, columns={"balanced_accuracy": "balanced accuracy"}).rename_axis(None)
    return f"\n{table.to_string()}\n\n{score}\n"


def _figures(adata: AnnData) -> dict[str, Any]:
    import matplotlib as mpl  # noqa: PLC0415  only the command chooses where figures are drawn

    mpl.use("agg")
    layouts, titles = [f"{key}_tsne" for key in NAMES], list(NAMES.values())
    return {
        "umi_histogram": ld.pl.umi_histogram(adata, low_umi=LOW_UMI, return_fig=True),
        "tsne_depth": ld.pl.embedding(adata, layouts, title=titles, return_fig=True),
        "tsne_cell_type": ld.pl.embedding(adata, layouts, color="cell_type", title=titles, return_fig=True),
        "low_umi_overlay": ld.pl.low_umi_overlay(
            adata, layouts, color="cell_type", low_umi=LOW_UMI, title=titles, return_fig=True
        ),
        "label_recovery": ld.pl.label_recovery(adata, names=NAMES, return_fig=True),
    }
