"""Trained models whose embedding is known beforehand, whatever they learnt."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch

FAST = {"max_epochs": 1, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False, "log_every_n_steps": 1}


class KnownModel(scvi.model.SCVI):
    """Embeds the counts of each cell by a fixed function."""

    def get_latent_representation(self, adata=None, **_):
        """Give cells by dimensions."""
        counts = self.get_anndata_manager(adata or self.adata, required=True).get_from_registry("X")
        return self.embedding(np.asarray(counts.todense(), float)).astype(np.float32)


class DirectionModel(KnownModel):
    """Takes the direction of the square roots, whose noise is the same for all genes."""

    @staticmethod
    def embedding(counts):
        """Give the embedding of dense counts."""
        root = np.sqrt(counts)
        return root / np.linalg.norm(root, axis=1, keepdims=True).clip(1e-9)


class ConstantModel(KnownModel):
    """Puts all cells in one place."""

    @staticmethod
    def embedding(counts):
        """Give the embedding of dense counts."""
        return np.ones((len(counts), 2))


def train(adata, model_class):
    """Train for one epoch, and leave the random state as it was."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(scvi.settings, "_seed", None)
        torch.manual_seed(0)
        model_class.setup_anndata(adata, batch_key="batch")
        model = model_class(adata, n_latent=3)
        model.train(**FAST)
    return model
