"""Thinning of count matrices: the array level, without AnnData."""

from __future__ import annotations

from ._thin import thin_counts

__all__ = ["thin_counts"]
