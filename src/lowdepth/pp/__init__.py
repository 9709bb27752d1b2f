"""Preprocessing: see how deep each cell is, make deep cells shallow, split counts."""

from __future__ import annotations

from ._depth import depth_metrics, filter_low_umi
from ._emulate import emulate_low_depth
from ._split import split_counts
from ._thin import thin_to_depth

__all__ = ["depth_metrics", "emulate_low_depth", "filter_low_umi", "split_counts", "thin_to_depth"]


def __dir__() -> list[str]:
    return __all__
