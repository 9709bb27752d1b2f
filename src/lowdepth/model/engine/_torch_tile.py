"""The visit to a tile of logits by torch's operations: for GPUs, and for float64 as a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ._sparse_counts import SparseCounts

EPSILON = 1e-8
"""The constant inside the logarithms of scvi-tools' negative binomial."""


def visit(
    logits: torch.Tensor,
    counts: SparseCounts,
    bias: torch.Tensor,
    size: torch.Tensor,
    dispersion: torch.Tensor | None,
    group: torch.Tensor | None,
    grad_bias: torch.Tensor,
    grad_dispersion: torch.Tensor | None,
) -> torch.Tensor:
    """Replace logits, cells by genes, by the log-likelihood's gradient; add to the others; give it by cell."""
    cells, genes, x = counts.rows, counts.columns.long(), counts.values.to(logits.dtype)
    log_share = torch.log_softmax(logits.add_(bias), dim=1)
    share = log_share.exp()
    if dispersion is None or grad_dispersion is None:
        by_cell, q = _poisson(x, cells, genes, log_share, share, size)
    else:
        theta = dispersion if group is None else dispersion[group]
        by_cell, q, grad_theta = _negative_binomial(x, cells, genes, size[:, None] * share, theta)
        if group is None:
            grad_dispersion += grad_theta.sum(0, keepdim=True)
        else:
            grad_dispersion.index_add_(0, group, grad_theta)
    torch.addcmul(q, share, q.sum(1, keepdim=True), value=-1, out=logits)
    grad_bias += logits.sum(0)
    return by_cell


def _poisson(
    x: torch.Tensor,
    cells: torch.Tensor,
    genes: torch.Tensor,
    log_share: torch.Tensor,
    share: torch.Tensor,
    size: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    gain = x * (log_share[cells, genes] + size.log()[cells]) - torch.lgamma(x + 1)
    q = (-size[:, None] * share).index_put_((cells, genes), x, accumulate=True)
    return (-size).index_add_(0, cells, gain), q


def _negative_binomial(
    x: torch.Tensor, cells: torch.Tensor, genes: torch.Tensor, mu: torch.Tensor, theta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give the log-likelihood by cell, mu times its gradient by mu, and its gradient by theta."""
    total = theta + EPSILON + mu
    f = mu / total
    log1p = torch.log1p(mu / (theta + EPSILON))
    by_cell = -(theta * log1p).sum(1)
    q = -theta * f
    grad_theta = f * (theta / (theta + EPSILON)) - log1p

    place = (cells, genes)
    x_mu, x_theta, x_total = mu[place], theta.expand_as(mu)[place], total[place]
    gain = x * (torch.log(x_mu + EPSILON) - torch.log(x_total))
    gain = gain + torch.lgamma(x + x_theta) - torch.lgamma(x_theta) - torch.lgamma(x + 1)
    by_cell.index_add_(0, cells, gain)
    q.index_put_(place, x * (x_mu / (x_mu + EPSILON) - x_mu / x_total), accumulate=True)
    slope = torch.digamma(x + x_theta) - torch.digamma(x_theta) - x / x_total
    grad_theta.index_put_(place, slope, accumulate=True)
    return by_cell, q, grad_theta
