"""Whether probabilities are as often right as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_CONFIDENCE_BINS = 10
"""Of equal width; with 600 cells in a depth bin chance alone makes an error of one to two points."""


def reliability(probability: NDArray[np.floating], codes: NDArray[np.integer], bins: NDArray[np.intp]) -> pd.DataFrame:
    """Give mean confidence, accuracy and number of cells for each depth bin and confidence bin that has cells."""
    confidence = probability.max(axis=1)
    cells = pd.DataFrame(
        {
            "depth_bin": bins,
            "place": np.minimum((confidence * N_CONFIDENCE_BINS).astype(int), N_CONFIDENCE_BINS - 1),
            "confidence": confidence.astype(float),
            "accuracy": (probability.argmax(axis=1) == codes).astype(float),
        }
    )
    grouped = cells.groupby(["depth_bin", "place"])
    return grouped.mean().assign(n=grouped.size()).reset_index().drop(columns="place")


def calibration_table(curve: pd.DataFrame, edges: NDArray[np.float64], deepest: float) -> pd.DataFrame:
    """Sum a reliability curve up: one row for each depth bin with its depths and expected calibration error.

    The error is the mean over cells of |confidence - accuracy| of their confidence bin (Naeini, Cooper and
    Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015).
    """
    sums = curve.assign(
        accuracy=curve["accuracy"] * curve["n"],
        confidence=curve["confidence"] * curve["n"],
        ece=(curve["confidence"] - curve["accuracy"]).abs() * curve["n"],
    )
    sums = sums.groupby("depth_bin").sum().reindex(range(len(edges)), fill_value=0)
    means = sums[["accuracy", "confidence", "ece"]].div(sums["n"], axis=0)
    depths = pd.DataFrame({"umi_low": edges, "umi_high": np.append(edges[1:], deepest)})
    return depths.assign(n=sums["n"].astype(int), **means).reset_index(drop=True)
