"""A linear layer whose input is sparse, on several views of the same cells at once.

The views (a cell and its thinned self) have their non-zeros in the same places. A row of the
weights, once it has come from memory, serves all views; memory is what limits this layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit
from torch.nn.functional import linear

from ._fast_math import IN_ORDER

if TYPE_CHECKING:
    from ._sparse_counts import SparseCounts

TILE_GENES = 1024
"""Genes whose weights, some hundred kilobytes, wait in the second cache until all cells have used them."""


def sparse_linear(counts: SparseCounts, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Multiply each view by the transposed weights.

    Parameters
    ----------
    counts
        The cells, for the places of the non-zeros.
    values
        What stands in these places: views by ``n_nonzero``. No gradient flows to them.
    weight
        Outputs by genes. Quickest when stored gene by gene, as :func:`gene_major` does.

    Returns
    -------
    Views by cells by outputs.
    """
    if values.device.type == "cpu" and weight.dtype == torch.float32:
        return _SparseLinear.apply(values, counts.columns, counts.row_starts, weight)
    return torch.stack([linear(counts.dense(view), weight) for view in values])


def gene_major(weight: torch.Tensor) -> torch.Tensor:
    """Give the same outputs-by-genes matrix, with the weights of a gene next to each other in memory."""
    return weight.t().contiguous().t()


class _SparseLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, columns: torch.Tensor, row_starts: torch.Tensor, weight: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(values, columns, row_starts)
        ctx.n_vars = weight.shape[1]
        by_gene = weight.detach().t().contiguous()
        arrays = (tensor.numpy() for tensor in (values, columns, row_starts, by_gene))
        return torch.from_numpy(_multiply(*arrays, n_parts=numba.get_num_threads()))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[None, None, None, torch.Tensor]:
        values, columns, row_starts = (tensor.numpy() for tensor in ctx.saved_tensors)
        by_gene = _weight_gradient(values, columns, row_starts, grads[0].contiguous().numpy(), ctx.n_vars)
        return None, None, None, torch.from_numpy(by_gene).t()


@njit
def _multiply(
    values: np.ndarray, columns: np.ndarray, row_starts: np.ndarray, weight: np.ndarray, n_parts: int
) -> np.ndarray:
    """Give views by cells by outputs; the weights are genes by outputs, the cells are shared out in parts."""
    n_views, n_obs, n_vars = len(values), len(row_starts) - 1, len(weight)
    out = np.zeros((n_views, n_obs, weight.shape[1]), np.float32)
    share = (n_obs + n_parts - 1) // n_parts
    for part in numba.prange(n_parts):
        for first in range(0, n_vars, TILE_GENES):
            for cell in range(part * share, min((part + 1) * share, n_obs)):
                start, stop = _within(columns, row_starts[cell], row_starts[cell + 1], first)
                for view in range(n_views):
                    _add_rows(out[view, cell], values[view, start:stop], weight, columns[start:stop])
    return out


@njit
def _weight_gradient(
    values: np.ndarray, columns: np.ndarray, row_starts: np.ndarray, grad: np.ndarray, n_vars: int
) -> np.ndarray:
    """Give genes by outputs; a gene belongs to one thread, which adds the cells in order."""
    out = np.zeros((n_vars, grad.shape[2]), np.float32)
    for tile in numba.prange((n_vars + TILE_GENES - 1) // TILE_GENES):
        for cell in range(len(row_starts) - 1):
            start, stop = _within(columns, row_starts[cell], row_starts[cell + 1], tile * TILE_GENES)
            for view in range(len(values)):
                _add_to_rows(out, columns[start:stop], values[view, start:stop], grad[view, cell])
    return out


@numba.njit(nogil=True)
def _within(columns: np.ndarray, start: int, stop: int, first: int) -> tuple[int, int]:
    """Find the places, among those of one cell, of the genes of the tile that begins with ``first``."""
    own = columns[start:stop]
    return start + int(np.searchsorted(own, first)), start + int(np.searchsorted(own, first + TILE_GENES))


@numba.njit(nogil=True, fastmath=IN_ORDER)
def _add_rows(total: np.ndarray, scales: np.ndarray, rows: np.ndarray, chosen: np.ndarray) -> None:
    """Add the chosen rows, each with its scale; four at a time, since writing the total takes longest."""
    quads = len(chosen) // 4 * 4
    for j in range(0, quads, 4):
        a, b, c, d = scales[j], scales[j + 1], scales[j + 2], scales[j + 3]
        if a != 0 or b != 0 or c != 0 or d != 0:
            first, second = rows[chosen[j]], rows[chosen[j + 1]]
            third, fourth = rows[chosen[j + 2]], rows[chosen[j + 3]]
            for k in range(len(total)):
                total[k] += a * first[k] + b * second[k] + c * third[k] + d * fourth[k]
    for j in range(quads, len(chosen)):
        row = rows[chosen[j]]
        for k in range(len(total)):
            total[k] += scales[j] * row[k]


@numba.njit(nogil=True, fastmath=IN_ORDER)
def _add_to_rows(rows: np.ndarray, chosen: np.ndarray, scales: np.ndarray, term: np.ndarray) -> None:
    """Add the term to the chosen rows, with each one's scale."""
    for j in range(len(chosen)):
        if scales[j] != 0:
            row = rows[chosen[j]]
            for k in range(len(term)):
                row[k] += scales[j] * term[k]
