"""What depends on depth by a quadratic in its logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = 2.5
"""Standard deviations: beyond the depths of the cells that it is fitted to, a curve stays as it is at their end."""


class DepthCurve(NamedTuple):
    """The curve's terms; ``center`` and ``scale`` are those of log(depth) among the cells that it is fitted to."""

    center: float
    scale: float

    @classmethod
    def of(cls, total_umi: NDArray[np.float64]) -> DepthCurve:
        """Take the centre and the scale of some cells."""
        log_depth = np.log(total_umi)
        return cls(float(log_depth.mean()), float(log_depth.std()) or 1.0)

    def powers(self, total_umi: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the terms of the quadratic, cells by three.

        >>> DepthCurve(center=0.0, scale=1.0).powers(np.exp([0.0, 2.0, 9.0]))
        array([[1.  , 0.  , 0.  ],
               [1.  , 2.  , 4.  ],
               [1.  , 2.5 , 6.25]])
        """
        place = np.clip((np.log(total_umi) - self.center) / self.scale, -FARTHEST, FARTHEST)
        return np.vander(place, 3, increasing=True)
