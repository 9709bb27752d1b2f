"""How soon weights are forgotten that nothing renews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class ForgettingWeights(Callback):
    """Set the weight decay of AdamW so that weights shrink to 1 / e over so many passes over the cells.

    AdamW multiplies each weight with 1 - lr * decay in every step (Loshchilov and Hutter 2019, arXiv:1711.05101), so
    that what no gradient renews is forgotten over 1 / (lr * decay) steps. Cells are learnt by heart by being shown
    again, so the length is given in passes over them: counted so, the best one is about the same for much and for
    little data (Wang and Aitchison 2025, arXiv:2405.13698).

    Parameters
    ----------
    n_epochs
        Passes over the cells.
    """

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the decay: here the steps of an epoch are known, those of all devices."""
        for group in (group for optimizer in trainer.optimizers for group in optimizer.param_groups):
            group["weight_decay"] = 1 / (group["lr"] * trainer.num_training_batches * self.n_epochs)
