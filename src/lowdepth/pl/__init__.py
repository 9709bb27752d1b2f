"""Plots: how deep the cells are, where they lie, and whose labels come back."""

from __future__ import annotations

from ._calibration import calibration
from ._compare import compare
from ._depth_leakage import depth_leakage
from ._embedding import embedding
from ._label_recovery import label_recovery
from ._low_umi_overlay import low_umi_overlay
from ._recovery_curve import recovery_curve
from ._thinning_paths import thinning_paths
from ._training import training
from ._umi_histogram import umi_histogram

__all__ = [
    "calibration",
    "compare",
    "depth_leakage",
    "embedding",
    "label_recovery",
    "low_umi_overlay",
    "recovery_curve",
    "thinning_paths",
    "training",
    "umi_histogram",
]


def __dir__() -> list[str]:
    return __all__
