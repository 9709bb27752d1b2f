"""Random streams that do not depend on how the work is cut up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

type Rng = int | np.random.Generator | None

BLOCK_SIZE = 1024
"""Cells that share one child generator: fixed, so that results depend on neither threads nor memory."""


def stream_key(rng: Rng, n_umis: float = 0) -> np.uint64:
    """Draw the 64-bit key of a counter-based stream (see :mod:`lowdepth.thinning._philox`).

    The UMIs of the matrix go into the key: whoever thins with seed 0 what was thinned with
    seed 0 before would meet the same numbers again, and lose the wrong UMIs.

    >>> stream_key(0) == stream_key(0)
    np.True_
    """
    return np.random.default_rng(rng).integers(2**64, dtype=np.uint64) ^ np.uint64(n_umis)


def block_generators(rng: np.random.Generator, n_obs: int) -> Iterator[tuple[slice, np.random.Generator]]:
    """Cut ``n_obs`` cells into fixed blocks, each with a generator of its own.

    >>> [cells for cells, _ in block_generators(np.random.default_rng(0), 1500)]
    [slice(0, 1024, None), slice(1024, 1500, None)]
    """
    starts = range(0, n_obs, BLOCK_SIZE)
    for start, child in zip(starts, rng.spawn(len(starts)), strict=True):
        yield slice(start, min(start + BLOCK_SIZE, n_obs)), child


def seed_record(rng: Rng) -> dict[str, Any]:
    """Give the entry for ``uns[...]["params"]``: only an integer seed can be repeated.

    >>> seed_record(7), seed_record(None)
    ({'rng': 7}, {})
    """
    return {} if rng is None or isinstance(rng, np.random.Generator) else {"rng": int(rng)}
