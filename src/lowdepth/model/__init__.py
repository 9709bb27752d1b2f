"""The joint-embedding model, an scvi-tools model with presets."""

from __future__ import annotations

from ._joint_embedding import JointEmbedding

__all__ = ["JointEmbedding"]
