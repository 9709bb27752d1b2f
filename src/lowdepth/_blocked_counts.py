"""Counts in a dask array, of which a bounded part is in memory at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from lowdepth._csr import csr_matrix, sorted_csr
from lowdepth._umi_totals import total_umis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fast_array_utils.types import CSBase, DaskArray
    from numpy.typing import NDArray

CELLS_AT_A_TIME = 1024
"""Embedded together unless the user says otherwise; the result does not depend on it."""

UMIS_AT_A_TIME = 2**25
"""Of a portion: a UMI takes a place of its own at most, so that the counts fill 256 MiB, or 384 MiB in 64 bits."""


class Portion(NamedTuple):
    """Cells in memory: their ``positions`` among those asked for, and their ``rows`` in ``counts``, CSR."""

    positions: NDArray[np.int64]
    rows: NDArray[np.int64]
    counts: CSBase


class BlockedCounts:
    """Rows of a dask array, computed when they are needed, by the scheduler that the user has chosen.

    Its workers compute the blocks and cut the rows out of them. The model stays where it is: it would
    otherwise be sent to each worker, whose threads it would share with the blocks, and there may be one GPU.

    Parameters
    ----------
    array
        Counts, cells by genes, in one block for all genes.
    rows
        Those meant, in any order; a cell can be there several times.
    total_umi
        UMIs of these.
    """

    def __init__(self, array: DaskArray, rows: NDArray[np.int64], total_umi: NDArray[np.float64]) -> None:
        self._array, self._rows, self.total_umi = array, rows, total_umi
        self.shape, self.dtype = (len(rows), array.shape[1]), array.dtype

    @classmethod
    def of(cls, counts: DaskArray) -> BlockedCounts:
        """Take all rows, after one pass that sums up their UMIs."""
        meta = sp.csr_matrix((0, 0), dtype=counts.dtype)
        array = counts.rechunk({1: -1}).map_blocks(csr_matrix, dtype=counts.dtype, meta=meta)
        return cls(array, np.arange(len(counts)), total_umis(counts))

    def __getitem__(self, rows: NDArray[Any]) -> BlockedCounts:
        """Give some of the rows."""
        return BlockedCounts(self._array, self._rows[rows], self.total_umi[rows])

    def lazy(self) -> DaskArray:
        """Give the rows as a dask array."""
        return self._array[self._rows]

    def load(self) -> CSBase:
        """Compute all rows: for those who know that they are few."""
        rows, places = np.unique(self._rows, return_inverse=True)
        return sorted_csr(self._array[rows].compute())[places]

    def portions(self) -> Iterator[Portion]:
        """Compute the rows portion by portion, in the order of the array.

        Where portions end does not depend on the blocks, and lies where minibatches end that are cut from memory.
        """
        order = np.argsort(self._rows, kind="stable")
        units = np.add.reduceat(self.total_umi[order], np.arange(0, len(order), CELLS_AT_A_TIME))
        starts = [unit * CELLS_AT_A_TIME for unit in _runs(units)]
        positions = np.split(order, starts[1:])
        pieces = self._pieces(self._rows[order], self.total_umi[order])
        for own, counts in zip(positions, _cut(pieces, map(len, positions)), strict=True):
            yield Portion(own, np.arange(len(own)), counts)

    def _pieces(self, rows: NDArray[np.int64], umis: NDArray[np.float64]) -> Iterator[CSBase]:
        """Compute as many blocks together as hold the UMIs of a portion in the rows, but at least one."""
        ends = np.cumsum(self._array.chunks[0])
        block, first = np.unique(np.searchsorted(ends, rows, side="right"), return_index=True)
        starts = _runs(np.add.reduceat(umis, first))
        for start, stop in zip(starts, [*starts[1:], len(block)], strict=True):
            last = block[stop - 1]
            begin = ends[block[start]] - self._array.chunks[0][block[start]]
            own = rows[first[start] : first[stop] if stop < len(block) else None]
            yield sorted_csr(self._array.blocks[block[start] : last + 1][own - begin].compute())


def _runs(umis: NDArray[np.float64]) -> list[int]:
    """Give the starts of runs that hold at most ``UMIS_AT_A_TIME``, or one element.

    >>> _runs(np.array([2**24, 2**24, 1, 2**26, 3]))
    [0, 2, 3, 4]
    """
    starts, total = [0], 0.0
    for place, umi in enumerate(umis):
        if place > starts[-1] and total + umi > UMIS_AT_A_TIME:
            starts.append(place)
            total = 0.0
        total += umi
    return starts


def _cut(pieces: Iterator[CSBase], sizes: Iterable[int]) -> Iterator[CSBase]:
    """Put pieces together, and cut them into others."""
    held = next(pieces)
    for size in sizes:
        while held.shape[0] < size:
            held = sp.vstack([held, next(pieces)], format="csr")
        yield held[:size]
        held = held[size:]
