"""Models that scvi-tools trained take the place of ours in every function that takes a model."""

from __future__ import annotations

import warnings

import pytest
import scvi
from finished_cells import WITH_MODEL, call
from helpers import counts_adata
from known_models import train

WRITES = {
    "tl.bias_point": ("obs", "bias_point_collapse"),
    "tl.label_transfer": ("obs", "label_transfer_confidence"),
    "tl.map_query": ("obsm", "X_mapped"),
    "tl.recommend_cutoff": ("obs", "keep"),
    "tl.recovery_curve": ("uns", "recovery_curve"),
    "tl.refine_low_umi": ("obsm", "X_joint_embedding_refined"),
    "tl.thinning_stability": ("obs", "thinning_stability"),
}


@pytest.fixture(
    scope="module",
    params=[scvi.model.SCVI, scvi.external.JointEmbeddingSCVI, scvi.model.LinearSCVI],
    ids=lambda kind: kind.__name__,
)
def trained(request):
    adata = counts_adata()
    return adata, train(adata, request.param)


@pytest.mark.parametrize("name", sorted(WITH_MODEL))
def test_a_model_of_scvi_tools_is_taken(name, trained):
    adata, model = trained
    cells = adata.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few cells and one epoch
        call(name, cells, model)
    slot, key = WRITES[name]
    assert key in getattr(cells, slot)
