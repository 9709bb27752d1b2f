"""Batch norm whose minibatch is that of all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import BatchNorm1d

from ._sums import moments, n_ranks

if TYPE_CHECKING:
    from torch.nn import Module


class JoinedBatchNorm(BatchNorm1d):
    """Normalise by the statistics of all processes' cells, as :class:`torch.nn.SyncBatchNorm` does on GPUs only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise cells by features."""
        if not self.training or n_ranks() == 1:
            return super().forward(x)
        centred, mean, variance, n_cells = moments(x)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n_cells / (n_cells - 1), self.momentum)
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias


def with_joined_batch_norm(module: Module) -> None:
    """Replace the module's batch norms, which have to be new: their weights are what they begin with."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is BatchNorm1d:
                setattr(parent, name, JoinedBatchNorm(child.num_features, child.eps, child.momentum))
