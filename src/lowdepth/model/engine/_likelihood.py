"""The decoder's last layer and the likelihood of the counts, in one pass.

For a cell with counts x, decoder output h, size s and gene-wise inverse dispersion theta,

    p = softmax(W h + b),  mu = s p,  f = mu / (mu + theta),  q = x - (x + theta) f,
    d log-likelihood / d logits = q - p sum(q),

so that value and gradients come from one visit to the logits. That visit is made tile by tile,
some cells by all genes; an array of all cells by all genes never exists. The small constant
inside scvi-tools' logarithms is kept, so the numbers are those of
``scvi.distributions.NegativeBinomial``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from . import _compiled_tile, _torch_tile
from ._precision import products

if TYPE_CHECKING:
    from ._sparse_counts import SparseCounts

TILE_ENTRIES = {"cpu": 2**23, "cuda": 2**26}
"""Entries of a tile: 32 MiB of float32 stay in a CPU's last cache while the product runs at full speed."""

FEWEST_ROWS = 32
"""With fewer cells in a tile, reading the weights takes longer than multiplying by them."""


class LogLikelihood(NamedTuple):
    """What came out: the sum, which has gradients, and its parts, which have none."""

    total: torch.Tensor
    by_cell: torch.Tensor


def decoder_log_likelihood(
    counts: SparseCounts,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    size: torch.Tensor,
    dispersion: torch.Tensor | None = None,
    group: torch.Tensor | None = None,
    *,
    precision: str = "auto",
) -> LogLikelihood:
    """Evaluate the log-likelihood of counts under a decoder that ends in a linear layer and a softmax.

    Parameters
    ----------
    counts
        The cells' counts.
    hidden
        What enters the layer, cells by hidden units.
    weight, bias
        The layer, genes by hidden units and genes.
    size
        Factor from the softmax to the mean of each cell, its library size. It gets no gradient.
    dispersion
        Inverse dispersion of the negative binomial, groups by genes; ``None`` for Poisson.
    group
        Row of ``dispersion`` that is each cell's; ``None`` where there is one row.
    precision
        Of the matrix products, see :func:`lowdepth.model.engine._precision.products`.
    """
    parameters = (hidden, weight, bias, dispersion)
    differentiable = torch.is_grad_enabled() and any(p is not None and p.requires_grad for p in parameters)
    outputs = _DecoderLogLikelihood.apply(
        counts, hidden, weight, bias, size, dispersion, group, (precision, differentiable)
    )
    return LogLikelihood(*outputs)


class _DecoderLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        counts: SparseCounts,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        size: torch.Tensor,
        dispersion: torch.Tensor | None,
        group: torch.Tensor | None,
        options: tuple[str, bool],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        precision, differentiable = options
        compiled = hidden.device.type == "cpu" and hidden.dtype == torch.float32
        visit = _compiled_tile.visit if compiled else _torch_tile.visit
        grad_hidden, grad_weight, grad_bias = (torch.zeros_like(p) for p in (hidden, weight, bias))
        grad_dispersion = None if dispersion is None else torch.zeros_like(dispersion)
        by_cell = torch.empty_like(size)
        runs = tiles(len(hidden), len(weight), hidden.device)
        tile = hidden.new_empty(runs[0].stop, len(weight))
        with products(precision, hidden.device):
            for cells in runs:
                logits = torch.mm(hidden[cells], weight.t(), out=tile[: cells.stop - cells.start])
                own_group = None if group is None else group[cells]
                own_counts = counts.between(cells)
                by_cell[cells] = visit(
                    logits, own_counts, bias, size[cells], dispersion, own_group, grad_bias, grad_dispersion
                )
                if differentiable:
                    torch.mm(logits, weight, out=grad_hidden[cells])
                    grad_weight.addmm_(logits.t(), hidden[cells])
        by_cell += 0 * grad_bias.sum()  # the compiled logarithm makes a number of NaN; a failed training must show
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias, grad_dispersion)
        ctx.mark_non_differentiable(by_cell)
        return by_cell.sum(), by_cell

    @staticmethod
    def backward(ctx: Any, *output_grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, dispersion = (
            None if grad is None else output_grads[0] * grad for grad in ctx.saved_tensors
        )
        return None, hidden, weight, bias, None, dispersion, None, None


def tiles(n_obs: int, n_vars: int, device: torch.device) -> list[slice]:
    """Cut the cells into runs that are decoded together.

    >>> tiles(600, 32_000, torch.device("cpu"))
    [slice(0, 262, None), slice(262, 524, None), slice(524, 600, None)]
    """
    rows = max(TILE_ENTRIES.get(device.type, 2**24) // n_vars, FEWEST_ROWS)
    return [slice(start, min(start + rows, n_obs)) for start in range(0, n_obs, rows)]
