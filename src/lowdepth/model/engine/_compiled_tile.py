"""The visit to a tile of logits by compiled loops: a cell's row stays in the nearest cache for all of it.

The sums over genes and over cells go through loops without branches, which become vector code.
What only a count needs, gamma functions above all, is added at the counts, a few per cent of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit

from ._fast_math import IN_ORDER, exp, from_rank, log, log1p, rank, vector_sum
from ._gamma import log_factorial, rising_log_gamma
from ._torch_tile import EPSILON

if TYPE_CHECKING:
    from ._sparse_counts import SparseCounts

BLOCK_ROWS = 16
"""Cells whose gradients by gene are summed by one thread; the sum depends on this, not on the threads."""

_EPSILON, _LOWEST = np.float32(EPSILON), np.float32(-3e38)


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
    tile = [logits, counts.values, counts.columns, counts.row_starts, bias.detach(), size]
    arrays = [tensor.numpy() for tensor in tile]
    if dispersion is None or grad_dispersion is None:
        by_cell, parts = _poisson_tile(*arrays)
    else:
        order, borders, groups = _blocks(len(logits), group)
        theta = dispersion.detach().numpy()
        by_cell, parts, theta_parts = _negative_binomial_tile(*arrays, theta, order, borders, groups)
        grad_dispersion.index_add_(0, torch.from_numpy(groups), torch.from_numpy(theta_parts))
    grad_bias += torch.from_numpy(parts).sum(0)
    return torch.from_numpy(by_cell)


def _blocks(n_obs: int, group: torch.Tensor | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order the cells by group and cut them into blocks of one group each: order, borders, group of each block.

    >>> _blocks(5, torch.tensor([1, 0, 1, 0, 1]))
    (array([1, 3, 0, 2, 4]), array([0, 2, 5]), array([0, 1]))
    """
    of_cell = np.zeros(n_obs, np.int64) if group is None else group.numpy()
    order = np.argsort(of_cell, kind="stable")
    ordered = of_cell[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    stops = np.append(starts[1:], n_obs)
    pieces = [np.arange(start, stop, BLOCK_ROWS) for start, stop in zip(starts, stops, strict=True)]
    borders = np.append(np.concatenate(pieces), n_obs)
    return order, borders, ordered[borders[:-1]]


@njit
def _negative_binomial_tile(
    logits: np.ndarray,
    values: np.ndarray,
    columns: np.ndarray,
    row_starts: np.ndarray,
    bias: np.ndarray,
    size: np.ndarray,
    dispersion: np.ndarray,
    order: np.ndarray,
    borders: np.ndarray,
    groups: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_blocks, n_vars = len(groups), len(bias)
    by_cell = np.empty(len(logits), np.float32)
    grad_bias = np.zeros((n_blocks, n_vars), np.float32)
    grad_theta = np.zeros((n_blocks, n_vars), np.float32)
    for block in numba.prange(n_blocks):
        theta = dispersion[groups[block]]
        per_theta = np.float32(1) / (theta + _EPSILON)
        q, terms = np.empty(n_vars, np.float32), np.empty(n_vars, np.float32)
        for cell in order[borders[block] : borders[block + 1]]:
            row = logits[cell]
            total = _exponentiate(row, bias)
            scale = size[cell] / total
            value, q_sum = _visit_all(row, scale, theta, per_theta, q, terms, grad_theta[block])
            counted = slice(row_starts[cell], row_starts[cell + 1])
            gain, more = _visit_counts(
                values[counted], columns[counted], row, scale, theta, per_theta, q, grad_theta[block]
            )
            by_cell[cell] = value + gain
            _subtract_share(row, q, (q_sum + np.float32(more)) / total, grad_bias[block])
    return by_cell, grad_bias, grad_theta


@njit
def _poisson_tile(
    logits: np.ndarray,
    values: np.ndarray,
    columns: np.ndarray,
    row_starts: np.ndarray,
    bias: np.ndarray,
    size: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    n_obs, n_vars = logits.shape
    n_blocks = (n_obs + BLOCK_ROWS - 1) // BLOCK_ROWS
    by_cell, grad_bias = np.empty(n_obs, np.float32), np.zeros((n_blocks, n_vars), np.float32)
    for block in numba.prange(n_blocks):
        for cell in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, n_obs)):
            row, q = logits[cell], np.zeros(n_vars, np.float32)
            total = _exponentiate(row, bias)
            value, umis = -np.float64(size[cell]), np.float32(0)
            for j in range(row_starts[cell], row_starts[cell + 1]):
                x, gene = values[j], columns[j]
                value += x * np.log(np.float64(row[gene] * (size[cell] / total))) - log_factorial(x)
                q[gene] = x
                umis += x
            by_cell[cell] = value
            _subtract_share(row, q, umis / total, grad_bias[block])
    return by_cell, grad_bias


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy")
def _exponentiate(row: np.ndarray, bias: np.ndarray) -> np.float32:
    """Replace logits by e to their power, the largest being 1, and give the sum: the softmax before its division."""
    highest = rank(_LOWEST)
    for g in range(len(row)):
        logit = row[g] + bias[g]
        row[g] = logit
        highest = max(highest, rank(logit))
    largest = from_rank(highest)
    for g in range(len(row)):
        row[g] = exp(row[g] - largest)
    return vector_sum(row)


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy")
def _visit_all(
    row: np.ndarray,
    scale: float,
    theta: np.ndarray,
    per_theta: np.ndarray,
    q: np.ndarray,
    terms: np.ndarray,
    grad_theta: np.ndarray,
) -> tuple[np.float32, np.float32]:
    """Take all counts for zeros: write q, add to the gradient by theta, give the log-likelihood and the sum of q."""
    for g in range(len(row)):
        ratio = row[g] * scale * per_theta[g]
        f = ratio / (np.float32(1) + ratio)
        log_ratio = log1p(ratio)
        q[g] = -theta[g] * f
        terms[g] = -theta[g] * log_ratio
        grad_theta[g] += f * (theta[g] * per_theta[g]) - log_ratio
    return vector_sum(terms), vector_sum(q)


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy")
def _visit_counts(
    values: np.ndarray,
    columns: np.ndarray,
    row: np.ndarray,
    scale: float,
    theta: np.ndarray,
    per_theta: np.ndarray,
    q: np.ndarray,
    grad_theta: np.ndarray,
) -> tuple[float, float]:
    """Add what the counts change; give what they add to the log-likelihood and to the sum of q."""
    gain, q_sum = 0.0, 0.0
    for j in range(len(values)):
        x, g = values[j], columns[j]
        mu = row[g] * scale
        ratio = mu * per_theta[g]
        log_gamma, digamma = rising_log_gamma(x, theta[g])
        log_share = log((mu + _EPSILON) * per_theta[g] / (np.float32(1) + ratio))
        gain += x * log_share + log_gamma - log_factorial(x)
        added = x * (mu / (mu + _EPSILON)) * (theta[g] * per_theta[g]) / (np.float32(1) + ratio)
        q[g] += added
        q_sum += added
        grad_theta[g] += digamma - x * per_theta[g] / (np.float32(1) + ratio)
    return gain, q_sum


@numba.njit(nogil=True, fastmath=IN_ORDER, error_model="numpy")
def _subtract_share(row: np.ndarray, q: np.ndarray, scale: float, grad_bias: np.ndarray) -> None:
    """Turn exponentials into gradients by the logits: q less each gene's share of its sum."""
    for g in range(len(row)):
        slope = q[g] - row[g] * scale
        row[g] = slope
        grad_bias[g] += slope
