"""Counts of some cells, the non-zeros only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit

from ._fast_math import vector_sum

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray


class SparseCounts:
    """A CSR matrix of counts, columns sorted, as plain tensors: every device can hold them, Lightning can move them.

    Parameters
    ----------
    values
        Counts, float32, ``n_nonzero`` of them.
    columns
        Gene of each count, int32.
    row_starts
        Where the counts of each cell begin, and where the last cell's end: int64, ``n_obs + 1``.
    n_vars
        Number of genes.
    """

    def __init__(self, values: torch.Tensor, columns: torch.Tensor, row_starts: torch.Tensor, *, n_vars: int) -> None:
        self.values, self.columns, self.row_starts, self.n_vars = values, columns, row_starts, n_vars

    def to(self, device: torch.device, **transfer: Any) -> SparseCounts:
        """Give the same counts on another device."""
        parts = (part.to(device, **transfer) for part in (self.values, self.columns, self.row_starts))
        return SparseCounts(*parts, n_vars=self.n_vars)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.row_starts) - 1

    @property
    def rows(self) -> torch.Tensor:
        """Cell of each count."""
        cells = torch.arange(self.n_obs, device=self.values.device)
        return torch.repeat_interleave(cells, self.row_starts.diff(), output_size=len(self.values))

    def total(self) -> torch.Tensor:
        """Sum the counts of each cell."""
        return self.sum_by_cell(self.values)

    def sum_by_cell(self, values: torch.Tensor) -> torch.Tensor:
        """Sum for each cell what stands in the places of its counts."""
        if values.device.type == "cpu" and values.dtype == torch.float32:
            return torch.from_numpy(_row_sums(values.numpy(), self.row_starts.numpy()))
        return values.new_zeros(self.n_obs).index_add_(0, self.rows, values)

    def dense(self, values: torch.Tensor | None = None) -> torch.Tensor:
        """Fill an array of cells by genes with the counts, or with other values at their places."""
        values = self.values if values is None else values
        return values.new_zeros(self.n_obs, self.n_vars).index_put_((self.rows, self.columns.long()), values)

    @classmethod
    def from_dense(cls, counts: torch.Tensor) -> SparseCounts:
        """Pick the non-zeros of an array of cells by genes."""
        rows, columns = counts.nonzero(as_tuple=True)
        lengths = torch.bincount(rows, minlength=len(counts))
        row_starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
        return cls(counts[rows, columns], columns.int(), row_starts, n_vars=counts.shape[1])

    def between(self, cells: slice) -> SparseCounts:
        """Give a run of the cells, as a view."""
        if (cells.start, cells.stop) == (0, self.n_obs):
            return self  # asking a GPU where a run begins would make it wait
        row_starts = self.row_starts[cells.start : cells.stop + 1]
        counted = slice(int(row_starts[0]), int(row_starts[-1]))
        return SparseCounts(self.values[counted], self.columns[counted], row_starts - row_starts[0], n_vars=self.n_vars)

    def take_rows(self, index: torch.Tensor, n_nonzero: int) -> SparseCounts:
        """Select cells on the device; a GPU that knows their number of non-zeros need not stop to count them."""
        lengths = self.row_starts.diff()[index]
        row_starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
        shift = torch.repeat_interleave(self.row_starts[index] - row_starts[:-1], lengths, output_size=n_nonzero)
        places = shift + torch.arange(len(shift), device=shift.device)
        return SparseCounts(self.values[places], self.columns[places], row_starts, n_vars=self.n_vars)


def take_rows(counts: CSBase, index: NDArray[np.int64]) -> SparseCounts:
    """Select cells of a CSR matrix of any dtype; at most the selection is copied, and cells in a row are not."""
    take = _view_rows if len(index) and (np.diff(index) == 1).all() else _take_rows
    parts = take(counts.data, counts.indices, counts.indptr, index)
    return SparseCounts(*map(torch.from_numpy, parts), n_vars=counts.shape[1])


def _view_rows(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, index: NDArray[np.int64]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row_starts = indptr[index[0] : index[-1] + 2].astype(np.int64)
    counted = slice(row_starts[0], row_starts[-1])
    # torch warns of arrays that it cannot write to
    values, columns = (
        np.require(part[counted], dtype, "W") for part, dtype in ((data, np.float32), (indices, np.int32))
    )
    return values, columns, row_starts - row_starts[0]


@njit
def _take_rows(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row_starts = np.zeros(len(index) + 1, np.int64)
    for i in range(len(index)):
        row_starts[i + 1] = row_starts[i] + indptr[index[i] + 1] - indptr[index[i]]
    values, columns = np.empty(row_starts[-1], np.float32), np.empty(row_starts[-1], np.int32)
    for i in numba.prange(len(index)):
        source = indptr[index[i]]
        for j in range(row_starts[i + 1] - row_starts[i]):
            values[row_starts[i] + j] = data[source + j]
            columns[row_starts[i] + j] = indices[source + j]
    return values, columns, row_starts


@njit
def _row_sums(values: np.ndarray, row_starts: np.ndarray) -> np.ndarray:
    sums = np.empty(len(row_starts) - 1, np.float32)
    for i in numba.prange(len(sums)):
        sums[i] = vector_sum(values[row_starts[i] : row_starts[i + 1]])
    return sums
