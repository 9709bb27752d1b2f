"""Binomial thinning of a minibatch, on its non-zeros and on its device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit

from lowdepth.thinning._draws import draw_kept, look_up, tables
from lowdepth.thinning._philox import uniform_pair

if TYPE_CHECKING:
    from ._sparse_counts import SparseCounts


OWN_STREAM = 2**31
"""From here on the generator's counters belong to large counts, which need draws of their own."""


def thinned_values(counts: SparseCounts, keep: torch.Tensor) -> torch.Tensor:
    """Draw Binomial(count, keep) for every count; lost ones become zeros in their places.

    Parameters
    ----------
    counts
        The cells.
    keep
        Probability that a UMI is kept, one for each cell.

    Returns
    -------
    ``n_nonzero`` thinned counts. The draw follows torch's seed.
    """
    if counts.values.device.type == "cpu":
        key = int(torch.randint(2**63 - 1, ()))
        arrays = (tensor.numpy() for tensor in (counts.values, counts.row_starts, keep.double()))
        return torch.from_numpy(_thin_in_place(*arrays, np.uint64(key)))
    probability = keep[counts.rows]
    if counts.values.device.type == "cuda":
        return torch.binomial(counts.values, probability)
    return _thin_by_umi(counts.values, probability)


def _thin_by_umi(values: torch.Tensor, probability: torch.Tensor) -> torch.Tensor:
    """Toss a coin for every UMI: the same law from operations that every device has, MPS too."""
    entries = torch.repeat_interleave(torch.arange(len(values), device=values.device), values.long())
    kept = torch.rand(len(entries), device=values.device) < probability[entries]
    return torch.zeros_like(values).index_add_(0, entries, kept.to(values.dtype))


@njit
def _thin_in_place(values: np.ndarray, row_starts: np.ndarray, keep: np.ndarray, key: np.uint64) -> np.ndarray:
    thinned = np.empty_like(values)
    for parallel_cell in numba.prange(len(keep)):
        cell = np.int64(parallel_cell)  # prange counts in uint64, which mixes with signed integers to a float
        start, p = row_starts[cell], keep[cell]
        none, one = tables(p)
        n_counts = row_starts[cell + 1] - start
        uniforms = np.empty((n_counts + 1) // 2 * 2)
        for j in range(0, n_counts, 2):
            uniforms[j], uniforms[j + 1] = uniform_pair(key, cell, np.int64(j), 0)
        for j in range(n_counts):
            count = np.int64(values[start + j])
            kept = look_up(count, p, uniforms[j], none, one)
            if kept < 0:
                kept = draw_kept(count, p, uniforms[j], none, 0.0, key, cell, OWN_STREAM + np.int64(j))
            thinned[start + j] = kept
    return thinned
