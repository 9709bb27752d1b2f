"""Random streams that do not depend on how the work is cut up."""

from __future__ import annotations

from typing import Any

import numpy as np

type Rng = int | np.random.Generator | None


def stream_key(rng: Rng, n_umis: float = 0) -> np.uint64:
    """Draw the 64-bit key of a counter-based stream (see :mod:`lowdepth.thinning._philox`).

    The UMIs of the matrix go into the key: whoever thins with seed 0 what was thinned with
    seed 0 before would meet the same numbers again, and lose the wrong UMIs.

    >>> stream_key(0) == stream_key(0)
    np.True_
    """
    return np.random.default_rng(rng).integers(2**64, dtype=np.uint64) ^ np.uint64(n_umis)


def seed_record(rng: Rng) -> dict[str, Any]:
    """Give the entry for ``uns[...]["params"]``: only an integer seed can be repeated.

    >>> seed_record(7), seed_record(None)
    ({'rng': 7}, {})
    """
    return {"rng": int(rng)} if isinstance(rng, int | np.integer) else {}
