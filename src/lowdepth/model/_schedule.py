"""How long to train."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

TUTORIAL_STEPS, TUTORIAL_EPOCHS = 2300, 25

MOST_EPOCHS = 400
"""At which scvi-tools stops too."""


def epochs_for(n_obs: int, batch_size: int, most: int = MOST_EPOCHS) -> int:
    """Give the epochs that make as many optimiser steps as the method's tutorial.

    The tutorial trains 48,000 cells for 25 epochs in batches of 512: about 2,300 steps. What
    brings a network on is steps, so fewer cells get more epochs, up to ``most``, and more cells
    never get fewer than the tutorial's 25.

    >>> epochs_for(48_074, 512), epochs_for(11_643, 512), epochs_for(2_000, 512)
    (25, 100, 400)
    """
    steps_per_epoch = ceil(n_obs / batch_size)
    return min(max(ceil(TUTORIAL_STEPS / steps_per_epoch), TUTORIAL_EPOCHS), most)


def drops_last(n_train: int, batch_size: int) -> bool:
    """Tell whether an epoch has to leave out its last one or two cells: batch normalisation fails on one.

    >>> drops_last(1025, 512), drops_last(1027, 512), drops_last(1, 512)
    (True, False, False)
    """
    return n_train > batch_size and 0 < n_train % batch_size < 3


class TutorialSteps(Callback):
    """Train for :func:`epochs_for` the cells, in the minibatches of all devices together.

    Parameters
    ----------
    n_obs
        Cells to train on.
    batch_size
        Cells of a minibatch on one device.
    most
        Epochs at most.
    """

    def __init__(self, n_obs: int, batch_size: int, most: int) -> None:
        self.n_obs, self.batch_size, self.most = n_obs, batch_size, most

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the number of epochs."""
        trainer.fit_loop.max_epochs = epochs_for(self.n_obs, self.batch_size * trainer.world_size, self.most)
