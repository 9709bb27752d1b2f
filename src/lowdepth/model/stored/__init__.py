"""Training and embedding of cells that do not fit in memory: shuffled once on the disk, and streamed from there."""

from __future__ import annotations

from ._stored_cells import StoredCells

__all__ = ["StoredCells"]
