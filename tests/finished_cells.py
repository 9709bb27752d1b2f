"""Cells that every step has been run on, so that every public function can be called on a copy of them."""

from __future__ import annotations

import warnings
from functools import cache
from operator import attrgetter

from helpers import counts_adata

import lowdepth as ld

LOW_UMI = 200
"""Half of the cells are below."""

QUIET = {"progress_bar": False, "rng": 0}
TRAINING = {"n_latent": 2, "max_epochs": 2, "batch_size": 32, "accelerator": "cpu", "n_hidden": 8}


@cache
def finished():
    """Run each step once, and give the cells with the model; take copies of the cells."""
    adata = counts_adata()
    adata.layers["counts"] = adata.X.copy()
    adata.obs["group"] = adata.obs["cell_type"].astype(object)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    model = ld.tl.joint_embedding(adata, batch_key="batch", low_umi=LOW_UMI, **TRAINING, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few cells
        for name in STEPS:
            call(name, adata, model)
    return adata, model


def cells():
    """Give a copy of the finished cells, and the model."""
    adata, model = finished()
    return adata.copy(), model


SMALL = {"low_umi": LOW_UMI, "n_neighbors": 5}
ARGUMENTS = {
    "pp.depth_metrics": {"low_umi": LOW_UMI},
    "pp.emulate_low_depth": {"rng": 0},
    "pp.filter_low_umi": {},
    "pp.split_counts": {"rng": 0},
    "pp.thin_to_depth": {"target_depth": 30, "rng": 0},
    "tl.joint_embedding": {"batch_key": "batch", "low_umi": LOW_UMI, **TRAINING, **QUIET},
    "tl.refine_low_umi": {"low_umi": LOW_UMI, **QUIET},
    "tl.label_transfer": {"label_key": "cell_type", **SMALL, **QUIET},
    "tl.label_transfer by votes": {
        "label_key": "cell_type",
        "use_rep": "X_joint_embedding",
        **SMALL,
        "key_added": "votes",
    },
    "tl.map_query": {"label_key": "cell_type", "key_added": "X_mapped", "transfer": "mapped_labels", **SMALL, **QUIET},
    "tl.prediction_sets": {"alpha": 0.3},
    "tl.label_transfer_score": {
        "label_key": "cell_type",
        "use_rep": "X_joint_embedding",
        "batch_key": "batch",
        "n_bootstrap": 2,
        **SMALL,
        "rng": 0,
    },
    "tl.recovery_curve": {"label_key": "cell_type", "depths": [20, 50], "n_bootstrap": 2, **SMALL, **QUIET},
    "tl.recommend_cutoff": {
        "label_key": "cell_type",
        "depths": [20, 50],
        "n_bootstrap": 2,
        "sample_key": "batch",
        "target": 0.1,
        **SMALL,
        **QUIET,
    },
    "tl.bias_point": {"low_umi": LOW_UMI},
    "tl.thinning_stability": {"n": 2, "depths": [100, 30], **QUIET},
    "tl.depth_leakage": {
        "use_rep": "X_joint_embedding",
        "label_key": "cell_type",
        "batch_key": "batch",
        "n_neighbors": 5,
        "rng": 0,
    },
    "tl.tsne": {"use_rep": "X_joint_embedding", "perplexity": 5, "rng": 0},
    "tl.umap": {"use_rep": "X_joint_embedding", "rng": 0},
    "tl.compare": {
        "label_key": "cell_type",
        "methods": ["pca"],
        "seeds": 1,
        "n_latent": 3,
        "low_umi": 50,
        "n_neighbors": 3,
        "batch_key": "batch",
    },
    "pl.calibration": {},
    "pl.compare": {},
    "pl.depth_leakage": {},
    "pl.embedding": {"basis": "X_joint_embedding", "color": "cell_type"},
    "pl.label_recovery": {},
    "pl.low_umi_overlay": {"basis": "X_joint_embedding", "color": "cell_type", "low_umi": LOW_UMI},
    "pl.recovery_curve": {},
    "pl.thinning_paths": {"basis": "X_joint_embedding"},
    "pl.training": {},
    "pl.umi_histogram": {"groupby": "cell_type", "low_umi": LOW_UMI},
    "report": {"basis": "X_joint_embedding", "sample_key": "batch", "low_umi": LOW_UMI},
    "model.JointEmbedding.setup_anndata": {"batch_key": "batch"},
}
"""How each public function is called on the finished cells, but for the model and the path of the report."""

STEPS = [name for name in ARGUMENTS if name.startswith("tl.") and name not in {"tl.joint_embedding", "tl.umap"}]
"""What follows the training, but for UMAP, which takes 20 seconds to import and to compile."""


WITH_MODEL = {
    "tl.bias_point",
    "tl.label_transfer",
    "tl.map_query",
    "tl.recommend_cutoff",
    "tl.recovery_curve",
    "tl.refine_low_umi",
    "tl.thinning_stability",
}


def function(name):
    """Find a public function by its name, without what tells its ways of use apart."""
    return attrgetter(name.partition(" ")[0])(ld)


def call(name, adata, model, **changed):
    """Call a public function, with some of its arguments changed."""
    models = {"model": model} if name in WITH_MODEL else {}
    return function(name)(adata, **{**models, **ARGUMENTS[name], **changed})
