"""How frequent each gene is among the cells that a model is to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scvi import REGISTRY_KEYS

if TYPE_CHECKING:
    from ._joint_embedding import JointEmbedding


def gene_frequency(model: JointEmbedding) -> torch.Tensor:
    """Give each gene's share of all UMIs, half a UMI added to each so that it has a logarithm."""
    if model.cells is None:
        umis = np.asarray(model.adata_manager.get_from_registry(REGISTRY_KEYS.X_KEY).sum(axis=0)).ravel()
    else:
        umis = model.cells.collection.gene_umis
    umis = umis + 0.5
    return torch.from_numpy(umis / umis.sum()).float()
