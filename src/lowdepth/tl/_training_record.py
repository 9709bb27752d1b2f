"""What is kept in ``uns`` of a training."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lowdepth.model import JointEmbedding


def training_record(params: Mapping[str, Any], model: JointEmbedding) -> dict[str, Any]:
    """Give the settings, the losses by epoch and the versions."""
    params = {**params, "max_epochs": len(model.history["train_loss"]), "n_devices": model.trainer.world_size}
    return {
        "params": {name: value for name, value in params.items() if value is not None},
        "interrupted": model.interrupted,
        "history": pd.concat(model.history.values(), axis="columns").astype(float),
        "versions": {package: version(package) for package in ("lowdepth", "scvi-tools", "torch", "anndata")},
    }


def check_converged(latent: NDArray[np.floating], lr: float) -> None:
    """Raise unless the embedding is finite."""
    n_bad = int((~np.isfinite(latent)).any(axis=1).sum())
    if n_bad:
        msg = f"the training diverged: {n_bad} cells are embedded nowhere finite; train with a smaller `lr` than {lr}"
        raise ValueError(msg)
