"""The public API in a program whose author checks types strictly: mypy reads this file, nobody runs it.

It sees the package as installed, with the types of its dependencies and without our settings for them:
``MYPYPATH=src mypy --config-file= --strict --follow-imports=silent tests/typed_use.py``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import anndata as ad

import lowdepth as ld

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Drawn = Axes | list[Axes] | Figure | None


def look(adata: ad.AnnData) -> Drawn:
    """See how deep cells are."""
    assert_type(ld.datasets.pbmc3k(), ad.AnnData)
    assert_type(ld.pp.depth_metrics(adata, low_umi=500, copy=True), ad.AnnData | None)
    ld.pp.emulate_low_depth(adata, rng=0)
    ld.pp.filter_low_umi(adata, 20)
    ld.pp.thin_to_depth(adata, 100, key_added="thin", rng=0)
    ld.pp.split_counts(adata, rng=0)
    ld.pl.embedding(adata, ["X_pca", "X_umap"], color="cell_type")
    return ld.pl.umi_histogram(adata, low_umi=500, groupby="cell_type")


def rescue(adata: ad.AnnData, folder: Path) -> ld.model.JointEmbedding:
    """Train, save, load, refine, label."""
    model = ld.tl.joint_embedding(adata, batch_key="sample", low_umi=500, max_epochs=2, refine=True)
    assert_type(model, ld.model.JointEmbedding)
    model.save(folder, overwrite=True)
    assert_type(ld.model.JointEmbedding.load(folder, adata), ld.model.JointEmbedding)
    ld.tl.refine_low_umi(adata, model, low_umi=500, rng=0)
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=500)
    ld.tl.prediction_sets(adata, alpha=0.1)
    ld.tl.tsne(adata, use_rep="X_joint_embedding")
    ld.tl.umap(adata, use_rep="X_joint_embedding")
    ld.tl.map_query(adata, model, label_key="cell_type")
    return model


def measure(adata: ad.AnnData, model: ld.model.JointEmbedding) -> dict[str, pd.DataFrame]:
    """Score, compare, find a cutoff, report."""
    score = ld.tl.label_transfer_score(adata, "cell_type", use_rep=["X_joint_embedding", "X_pca"])
    curve = ld.tl.recovery_curve(adata, model, "cell_type")
    found = ld.tl.recommend_cutoff(adata, model, "cell_type", target=0.8)
    compared = ld.tl.compare(adata, "cell_type", methods=["pca", "denoise"], seeds=2, max_epochs=1)
    assert_type(score, ld.tl.LabelTransferScore)
    assert_type(curve, ld.tl.RecoveryCurve)
    assert_type(found, ld.tl.RecommendedCutoff)
    assert_type(compared, ld.tl.Comparison)
    assert_type(ld.report(adata, "page.html", low_umi=500), Path)
    ld.tl.bias_point(adata, model)
    ld.tl.thinning_stability(adata, model, rng=0)
    return {
        "score": score.to_frame(),
        "cutoffs": found.cutoffs,
        "methods": compared.per_seed,
        "leakage": ld.tl.depth_leakage(adata, "X_pca"),
    }


def refused(adata: ad.AnnData) -> None:
    """Use the API as it does not work: without an error here, the comment would be one."""
    ld.pp.depth_metrics(adata, 500)  # type: ignore[call-arg]
    ld.tl.label_transfer_score(adata, "cell_type", low_umi="1000")  # type: ignore[arg-type]
    ld.plot(adata)  # type: ignore[attr-defined]
