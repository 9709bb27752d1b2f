"""What each function does with counts in a dask array: the table of docs/scale.md, and calls that prove it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp
from helpers import assert_same

import lowdepth as ld

LOW_UMI = 200
LAZY = "stays lazy"
BLOCKS = "block by block"
NO_COUNTS = "reads no counts"
REFUSES = "refuses, by name"
ON_DISK = "from its file, shuffled; refuses, by name, where no file is known"

SUPPORT = {
    "pp.depth_metrics": BLOCKS,
    "pp.emulate_low_depth": LAZY,
    "pp.filter_low_umi": BLOCKS,
    "pp.split_counts": LAZY,
    "pp.thin_to_depth": LAZY,
    "tl.bias_point": BLOCKS,
    "tl.compare": REFUSES,
    "tl.depth_leakage": NO_COUNTS,
    "tl.joint_embedding": ON_DISK,
    "tl.label_transfer": BLOCKS,
    "tl.label_transfer_score": NO_COUNTS,
    "tl.map_query": BLOCKS,
    "tl.prediction_sets": NO_COUNTS,
    "tl.recommend_cutoff": BLOCKS,
    "tl.recovery_curve": BLOCKS,
    "tl.refine_low_umi": BLOCKS,
    "tl.thinning_stability": REFUSES,
    "tl.tsne": NO_COUNTS,
    "tl.umap": NO_COUNTS,
}
"""By function; all of ``pl`` and :func:`lowdepth.report` read no counts."""

REP = "X_joint_embedding"
QUIET = {"progress_bar": False}
FEW = {"low_umi": LOW_UMI, "n_bootstrap": 3}

WRITES = {
    "pp.split_counts": {"split_a", "split_b"},
    "pp.thin_to_depth": {"thinned"},
}
"""Layers that are lazy afterwards, beside the counts."""

# in the order of an analysis: later calls read what earlier ones wrote
CALLS = {
    "pp.depth_metrics": lambda adata, _: ld.pp.depth_metrics(adata, low_umi=LOW_UMI),
    "pp.filter_low_umi": lambda adata, _: ld.pp.filter_low_umi(adata, 70),
    "pp.split_counts": lambda adata, _: ld.pp.split_counts(adata, overdispersion=np.full(adata.n_vars, 0.2), rng=0),
    "pp.thin_to_depth": lambda adata, _: ld.pp.thin_to_depth(adata, 60, key_added="thinned", rng=0),
    "tl.bias_point": lambda adata, model: ld.tl.bias_point(adata, model, low_umi=LOW_UMI),
    "tl.compare": lambda adata, _: ld.tl.compare(adata, "cell_type", methods=["pca"], low_umi=LOW_UMI),
    "tl.depth_leakage": lambda adata, _: ld.tl.depth_leakage(adata, REP),
    "tl.joint_embedding": lambda adata, _: ld.tl.joint_embedding(adata, key_added="X_again", max_epochs=1, **QUIET),
    "tl.label_transfer": lambda adata, model: ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=LOW_UMI),
    "tl.label_transfer_score": lambda adata, _: ld.tl.label_transfer_score(adata, "cell_type", use_rep=REP, **FEW),
    "tl.map_query": lambda adata, model: ld.tl.map_query(
        adata, model, reference=adata, label_key="cell_type", transfer="mapped", low_umi=LOW_UMI, **QUIET
    ),
    "tl.prediction_sets": lambda adata, _: ld.tl.prediction_sets(adata, alpha=0.3),
    "tl.recommend_cutoff": lambda adata, model: ld.tl.recommend_cutoff(
        adata,
        model,
        "cell_type",
        ambient_profile=np.arange(1.0, adata.n_vars + 1),
        depths=[50, LOW_UMI],
        **FEW,
        **QUIET,
    ),
    "tl.recovery_curve": lambda adata, model: ld.tl.recovery_curve(
        adata, model, "cell_type", depths=[50, LOW_UMI], **FEW, **QUIET
    ),
    "tl.refine_low_umi": lambda adata, model: ld.tl.refine_low_umi(
        adata, model, low_umi=LOW_UMI, store_weights=True, **QUIET
    ),
    "tl.thinning_stability": lambda adata, model: ld.tl.thinning_stability(adata, model, n=2, **QUIET),
    "tl.tsne": lambda adata, _: ld.tl.tsne(adata, use_rep=REP),
    "tl.umap": lambda adata, _: ld.tl.umap(adata, use_rep=REP),
    # drops cells, and thins X
    "pp.emulate_low_depth": lambda adata, _: ld.pp.emulate_low_depth(adata, min_umi=5, rng=0),
}


def assert_close(one, other, where="value"):
    """Check that two values are equal, floats to the fourth digit, as other blocks round; lazy ones are computed."""
    one, other = (value.compute() if hasattr(value, "dask") else value for value in (one, other))
    if isinstance(one, Mapping):
        assert set(one) == set(other), where
        for key in one:
            assert_close(one[key], other[key], f"{where}[{key!r}]")
    elif sp.issparse(one) or sp.issparse(other):
        difference = abs(sp.csr_matrix(one) - sp.csr_matrix(other))
        assert difference.max() < 1e-4, where
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=1e-4)
    elif isinstance(one, np.ndarray) and one.dtype.kind == "f":
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=where)
    else:
        assert_same(one, other, where)
