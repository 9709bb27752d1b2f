"""The joint-embedding model, an scvi-tools model with presets, and cells on the disk for it."""

from __future__ import annotations

from ._joint_embedding import JointEmbedding
from .stored import StoredCells

__all__ = ["JointEmbedding", "StoredCells"]


def __dir__() -> list[str]:
    return __all__
