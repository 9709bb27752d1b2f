"""What is kept in ``uns`` of a training."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from lowdepth._record import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lowdepth.model import JointEmbedding


def training_record(params: Mapping[str, Any], model: JointEmbedding) -> dict[str, Any]:
    """Give the settings, the losses by epoch and the versions."""
    params = {**params, "max_epochs": len(model.history["train_loss"]), "n_devices": model.trainer.world_size}
    return {
        "params": storable(params),
        "interrupted": model.interrupted,
        "history": pd.concat(model.history.values(), axis="columns").astype(float),
        "versions": {package: version(package) for package in ("lowdepth", "scvi-tools", "torch", "anndata")},
    }
