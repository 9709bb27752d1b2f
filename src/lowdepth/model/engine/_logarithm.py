"""log1p of many counts, as vector code: torch's own takes a sixth of the time that embedding cells does."""

from __future__ import annotations

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit

from ._fast_math import IN_ORDER, log1p

VALUES_AT_A_TIME = 4096
"""Of a thread, so that a block waits in its first cache."""


def log1p_of_counts(values: torch.Tensor) -> torch.Tensor:
    """Give log(1 + x) of counts; no gradient flows to them.

    >>> log1p_of_counts(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    if values.device.type == "cpu" and values.dtype == torch.float32:
        flat = values.detach().contiguous().view(-1)
        return torch.from_numpy(_log1p(flat.numpy())).view(values.shape)
    return values.log1p()


@njit
def _log1p(values: np.ndarray) -> np.ndarray:
    logged = np.empty_like(values)
    for block in numba.prange((len(values) + VALUES_AT_A_TIME - 1) // VALUES_AT_A_TIME):
        start = block * VALUES_AT_A_TIME
        _fill(logged[start : start + VALUES_AT_A_TIME], values[start : start + VALUES_AT_A_TIME])
    return logged


@numba.njit(nogil=True, fastmath=IN_ORDER)
def _fill(logged: np.ndarray, values: np.ndarray) -> None:
    for i in range(len(values)):
        logged[i] = log1p(values[i])
