"""Tools: embed, lay out, transfer labels and score how well that worked."""

from __future__ import annotations

from ._joint_embedding import joint_embedding
from ._label_transfer import label_transfer
from ._label_transfer_score import label_transfer_score
from ._refine_low_umi import refine_low_umi
from ._score_result import LabelTransferScore
from ._tsne import tsne

__all__ = [
    "LabelTransferScore",
    "joint_embedding",
    "label_transfer",
    "label_transfer_score",
    "refine_low_umi",
    "tsne",
]
