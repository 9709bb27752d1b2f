"""The model that is kept is an average over the end of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import WeightAveraging

if TYPE_CHECKING:
    import torch

SHARPNESS = 7.0
"""Power with which a step's weight in the average grows: half of the sum is the last twelfth of the training."""

STEPS_APART = 4
"""Between two states that are averaged: neighbours hardly differ, and each costs a pass over all weights."""


class AveragedTraining(WeightAveraging):
    """Average the weights over the training, step t of them with weight t^7.

    At a constant learning rate the weights wander around the optimum without end, and their average is
    nearer to it (Polyak and Juditsky 1992). A power of the step needs no length to be chosen: the
    average looks back on the same share of a training however long it is (Karras et al. 2024,
    doi:10.1109/CVPR52733.2024.02282).
    """

    def __init__(self) -> None:
        super().__init__(avg_fn=_power_average)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Tell whether this step's weights are averaged."""
        return step_idx is not None and step_idx % STEPS_APART == 0


def _power_average(average: torch.Tensor, current: torch.Tensor, n_averaged: torch.Tensor) -> torch.Tensor:
    """Add a state to the average of ``n_averaged`` earlier ones.

    >>> import torch
    >>> average = torch.zeros(())
    >>> for t in range(1, 1000):
    ...     average = _power_average(average, torch.tensor(float(t)), torch.tensor(t - 1))
    >>> round(float(average) / 1000, 2)  # the mean of a density proportional to t^7 on [0, 1]: 8 / 9
    0.89
    """
    share = 1 - (1 - 1 / (n_averaged + 1)) ** (SHARPNESS + 1)  # a tensor: a GPU is not made to wait for a number
    return average + (current - average) * share
