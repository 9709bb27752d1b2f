"""Trainings that can be killed and taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from pathlib import Path

    from lightning.pytorch import LightningModule, Trainer


class ResumableTraining(Callback):
    """Write the state of the training to a file as each epoch ends.

    What an epoch draws depends on a seed and on the epoch's number alone, so that a training that is taken up
    again gives the numbers of one that was never interrupted. (In memory, torch's loader draws once before the first
    epoch is seeded, and after that in later ones: the order of the minibatches is another one.)

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seed = int(torch.randint(2**31, ()))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed the epoch."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, trainer.current_epoch]).generate_state(1)[0]))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state; Lightning gives it its name when it is complete."""
        trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the seed and the losses, which Lightning leaves to the logger; it is told the last ones later than us."""
        losses = {name: frame[name].astype(float).to_dict() for name, frame in trainer.logger.history.items()}
        for name, loss in trainer.callback_metrics.items():
            losses.setdefault(name, {})[trainer.current_epoch] = float(loss)
        checkpoint["lowdepth"] = {"seed": self.seed, "losses": losses}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take up the seed and the losses."""
        kept = checkpoint["lowdepth"]
        self.seed = kept["seed"]
        for name, losses in kept["losses"].items():
            epochs = pd.Index(losses, name="epoch")
            trainer.logger.experiment.data[name] = pd.DataFrame({name: losses.values()}, index=epochs, dtype=object)
