"""How often the most confident cells are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

COVERAGES = np.arange(1, 11) / 10
"""Shares of the cells, the most confident first."""

HEADLINES = (0.5, 0.7, 0.9)
"""Those of them that a summary shows."""


def risk_coverage(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> pd.DataFrame:
    """Give the accuracy of the most confident cells, for growing shares of them.

    Of cells with the same confidence any may come first: they count as right as often as all of them are.
    Without confidences there is no curve, and its accuracies are missing.

    >>> curve = risk_coverage(np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    >>> curve.set_index("coverage")["accuracy"].loc[[0.5, 1.0]].tolist()
    [0.75, 0.5]
    """
    if np.isnan(confidence).any():
        return pd.DataFrame({"coverage": COVERAGES, "accuracy": np.nan, "confidence": np.nan})
    cells = COVERAGES * len(right)
    levels, level = np.unique(-confidence, return_inverse=True)
    n_so_far = np.append(0, np.bincount(level).cumsum())
    right_so_far = np.append(0, np.bincount(level, right).cumsum())
    least_sure = np.searchsorted(n_so_far[1:], np.ceil(cells - 1e-9))
    return pd.DataFrame(
        {
            "coverage": COVERAGES,
            "accuracy": np.interp(cells, n_so_far, right_so_far) / cells,
            "confidence": -levels[least_sure],
        }
    )


def headlines(curve: pd.DataFrame) -> dict[str, float]:
    """Give the accuracies of the most confident 50, 70 and 90 %.

    >>> headlines(risk_coverage(np.array([True, False]), np.array([0.9, 0.1])))
    {'accuracy_most_confident_50': 1.0, 'accuracy_most_confident_70': 0.714..., 'accuracy_most_confident_90': 0.555...}
    """
    accuracy = curve["accuracy"].to_numpy()[np.searchsorted(COVERAGES, HEADLINES)]
    return {
        f"accuracy_most_confident_{share:.0%}".removesuffix("%"): float(value)
        for share, value in zip(HEADLINES, accuracy, strict=True)
    }
