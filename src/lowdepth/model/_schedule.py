"""How long to train."""

from __future__ import annotations

from math import ceil

TUTORIAL_STEPS, TUTORIAL_EPOCHS, MOST_EPOCHS = 2300, 25, 400


def epochs_for(n_obs: int, batch_size: int) -> int:
    """Give the epochs that make as many optimiser steps as the method's tutorial.

    The tutorial trains 48,000 cells for 25 epochs in batches of 512: about 2,300 steps. What
    brings a network on is steps, so fewer cells get more epochs, up to the 400 at which
    scvi-tools stops too, and more cells never get fewer than the tutorial's 25.

    >>> epochs_for(48_074, 512), epochs_for(11_643, 512), epochs_for(2_000, 512)
    (25, 100, 400)
    """
    steps_per_epoch = ceil(n_obs / batch_size)
    return min(max(ceil(TUTORIAL_STEPS / steps_per_epoch), TUTORIAL_EPOCHS), MOST_EPOCHS)
