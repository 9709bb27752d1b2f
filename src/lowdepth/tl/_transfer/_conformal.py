"""Thresholds of conformal sets: how unlikely a type may look and still be in the set."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth.tl._cells._depth_bins import bin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

ROUNDING = 1e-12
"""Relative slack: 0.9 times 10 calibration cells are 9 of them, whatever floats say."""


def calibrated_scores(
    record: Mapping[str, Any], alpha: float, *, by_type: bool
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Give the bins of depth, and the largest score in each with which a type belongs to a set, bins by types."""
    held_out: Mapping[str, NDArray[Any]] = record["held_out"]
    label = np.asarray(held_out["label"])
    bins = record["calibration"][["umi_low", "umi_high"]].reset_index(drop=True)
    own_bin = bin_of(held_out["total_umi"], bins["umi_low"].to_numpy())
    # scores of the query come from probabilities that the transfer corrected for its types' frequencies
    ratio = _frequency_ratios(record, (len(bins), held_out["probability"].shape[1]))
    probability = held_out["probability"] * ratio[own_bin]
    score = 1 - probability[np.arange(len(label)), label] / probability.sum(axis=1)
    of_all_types = thresholds_by_bin(score, own_bin, len(bins), alpha)
    highest_score = np.tile(of_all_types[:, np.newaxis], ratio.shape[1])
    for code in np.unique(label) if by_type else []:
        own = label == code
        if np.isfinite(rank(own.sum(), alpha)):
            highest_score[:, code] = thresholds_by_bin(score[own], own_bin[own], len(bins), alpha)
    return bins.assign(n=np.bincount(own_bin, minlength=len(bins))), highest_score


def _frequency_ratios(record: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give how much more frequent each type is in the query than in the reference, bins by types."""
    if "prior" not in record:
        return np.ones(shape)
    query, reference = (np.broadcast_to(record["prior"][cells], shape) for cells in ("query", "reference"))
    return np.divide(query, reference, out=np.zeros(shape), where=reference > 0)


def thresholds_by_bin(
    scores: NDArray[np.float64], own_bin: NDArray[np.intp], n_bins: int, alpha: float
) -> NDArray[np.float64]:
    """Give each bin's threshold; neighbouring bins merge until they hold 2 / alpha calibration cells.

    That many let two of them miss: with half as many one alone would decide, and with fewer nothing is excluded.
    """
    group = merged_bins(np.bincount(own_bin, minlength=n_bins), ceil(2 / alpha))
    return np.array([largest_score(scores[group[own_bin] == own], alpha) for own in group])


def largest_score(scores: NDArray[np.float64], alpha: float) -> float:
    """Give the ceil((n + 1) (1 - alpha))-th smallest score, infinity where the n cells are too few to say.

    >>> largest_score(np.arange(1.0, 10), 0.2), largest_score(np.arange(1.0, 10), 0.05)
    (8.0, inf)
    """
    place = rank(len(scores), alpha)
    return float(np.sort(scores)[int(place) - 1]) if np.isfinite(place) else np.inf


def rank(n_cells: int | np.integer, alpha: float) -> float:
    """Give the place of the threshold among the scores in ascending order, infinity if it is behind the last one."""
    place = ceil((n_cells + 1) * (1 - alpha) * (1 - ROUNDING))
    return place if place <= n_cells else np.inf


def merged_bins(n_cells: NDArray[np.integer], fewest: int) -> NDArray[np.intp]:
    """Give each bin's group; neighbours merge until a group holds enough cells, the last one takes what is left.

    >>> merged_bins(np.array([120, 90, 300, 10, 150, 60]), 200)
    array([0, 0, 1, 2, 2, 2])
    """
    groups = np.zeros(len(n_cells), np.intp)
    group, held = 0, 0
    for place, n in enumerate(n_cells):
        groups[place] = group
        held += n
        if held >= fewest and n_cells[place + 1 :].sum() >= fewest:
            group, held = group + 1, 0
    return groups
