"""Bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def interval(name: str, drawn: NDArray[np.float64]) -> dict[str, float]:
    """Give the 95 % interval of resampled values, missing where there are none."""
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
