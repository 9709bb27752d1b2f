"""A training that has diverged says so, instead of giving numbers that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from numpy.typing import NDArray


class TrainingDiverged(ValueError):
    """What a training learnt is no numbers."""


class StopOnDivergence(Callback):
    """End the training with an error after the epoch in which a weight stopped being finite.

    Parameters
    ----------
    lr
        The learning rate, for the message.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at all weights."""
        if not all(weights.isfinite().all() for weights in pl_module.module.state_dict().values()):
            msg = (
                f"the training diverged: after epoch {trainer.current_epoch + 1} weights are not finite; "
                f"make the model anew, and train it with a smaller `lr` than {self.lr}"
            )
            raise TrainingDiverged(msg)


def check_converged(latent: NDArray[np.floating], lr: float) -> None:
    """Raise unless the embedding is finite."""
    n_bad = int((~np.isfinite(latent)).any(axis=1).sum())
    if n_bad:
        msg = f"the training diverged: {n_bad} cells have no finite embedding; train with a smaller `lr` than {lr}"
        raise TrainingDiverged(msg)
