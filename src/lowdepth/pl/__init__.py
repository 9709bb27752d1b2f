"""Plots: how deep the cells are, where they lie, and whose labels come back."""

from __future__ import annotations

from ._embedding import embedding
from ._label_recovery import label_recovery
from ._low_umi_overlay import low_umi_overlay
from ._umi_histogram import umi_histogram

__all__ = ["embedding", "label_recovery", "low_umi_overlay", "umi_histogram"]
