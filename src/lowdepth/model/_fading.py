"""How long cells are decoded from their own full counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class FadingReconstruction(Callback):
    """Lower the weight of the full view's likelihood from one to zero, on a straight line over the first epochs.

    What is decoded from a cell's own full counts teaches the network fast. But a network that has seen the cell
    often enough gives back its very counts, noise and all. A thinned cell shows another part of them each time,
    and the rest has to be explained by what cells like it have.

    Parameters
    ----------
    n_epochs
        When the weight is zero.
    n_seen
        Epochs of earlier trainings of the same model.
    """

    def __init__(self, n_epochs: int, n_seen: int) -> None:
        self.n_epochs, self.n_seen = n_epochs, n_seen

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the weight of the epoch."""
        passed = (self.n_seen + trainer.current_epoch) / self.n_epochs
        pl_module.module.reconstruction_weight = max(0.0, 1.0 - passed)
