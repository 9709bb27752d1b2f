"""Sums over the cells of all processes of a training, with their gradients."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

_training = SimpleNamespace(n_ranks=1)


@contextmanager
def joined(n_ranks: int) -> Iterator[None]:
    """Train in so many processes: their sums become one, until the end of the training.

    That torch has several processes does not say it: each may have a model of its own.
    """
    _training.n_ranks = n_ranks
    try:
        yield
    finally:
        _training.n_ranks = 1


def n_ranks() -> int:
    """Give the number of processes that train this model together.

    >>> n_ranks()
    1
    """
    return _training.n_ranks


def sum_over_ranks(x: torch.Tensor) -> torch.Tensor:
    """Sum what each process has; the gradient is that of the sum of all processes' losses.

    >>> sum_over_ranks(torch.ones(2))
    tensor([1., 1.])
    """
    return x if n_ranks() == 1 else _SumOverRanks.apply(x)


def cells_per_rank(x: torch.Tensor) -> float | torch.Tensor:
    """Give the mean number of cells that a process has.

    Sums over the processes' cells, each divided by it, average to the mean over all cells, as gradients do.
    """
    return len(x) if n_ranks() == 1 else sum_over_ranks(x.new_full((), len(x))) / n_ranks()


class Moments(NamedTuple):
    """Of features over the cells of all processes, whose own cells' distance from the mean comes first."""

    centred: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    n_cells: torch.Tensor


def moments(x: torch.Tensor) -> Moments:
    """Give mean and variance of cells by features, the variance as the sum of squares over the number of cells.

    >>> moments(torch.tensor([[1.0], [3.0]])).variance
    tensor([1.])
    """
    total = sum_over_ranks(torch.cat([x.sum(0), x.new_full((1,), len(x))]))
    n_cells = total[-1]
    mean = total[:-1] / n_cells
    centred = x - mean
    return Moments(centred, mean, sum_over_ranks(centred.square().sum(0)) / n_cells, n_cells)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        total = grads[0].contiguous().clone()
        distributed.all_reduce(total)
        return total
