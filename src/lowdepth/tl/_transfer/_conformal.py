"""Thresholds of conformal sets: how unlikely a label may look and still be in the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth.tl._cells._depth_bins import bin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

CELLS_PER_BIN = 200
"""Held-out cells at least: their coverage varies around 1 - alpha = 0.9 with a standard deviation of 2 points."""

ROUNDING = 1e-12
"""Relative slack: 0.9 times 10 calibration cells are 9 of them, whatever floats say."""


def calibrated_scores(record: Mapping[str, Any], alpha: float) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Give the bins of depth, and the largest score in each with which a type belongs to a set."""
    held_out: Mapping[str, NDArray[Any]] = record["held_out"]
    label = np.asarray(held_out["label"])
    bins = record["calibration"][["umi_low", "umi_high"]].reset_index(drop=True)
    own_bin = bin_of(held_out["total_umi"], bins["umi_low"].to_numpy())
    n_cells = np.bincount(own_bin, minlength=len(bins))
    group = merged_bins(n_cells, CELLS_PER_BIN)
    ratio = _frequency_ratios(record, (len(bins), held_out["probability"].shape[1]))
    # scores of the query come from probabilities that the transfer corrected for these frequencies
    probability = held_out["probability"] * ratio[own_bin]
    score = 1 - probability[np.arange(len(label)), label] / probability.sum(axis=1)
    weight = ratio[own_bin, label]
    highest_score = np.empty(ratio.shape)
    for place in range(len(bins)):
        peers = group[own_bin] == group[place]
        highest_score[place] = label_thresholds(score[peers], weight[peers], ratio[place], alpha)
    return bins.assign(n=n_cells, group=group), highest_score


def _frequency_ratios(record: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give how much more frequent each type is in the query than in the reference, bins by types."""
    if "prior" not in record:
        return np.ones(shape)
    query, reference = (np.broadcast_to(record["prior"][cells], shape) for cells in ("query", "reference"))
    return np.divide(query, reference, out=np.zeros(shape), where=reference > 0)


def label_thresholds(
    scores: NDArray[np.float64], weights: NDArray[np.float64], weight_of_label: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    """Give the largest score with which each label belongs to the set of a new cell.

    The weighted quantile of Tibshirani et al. (2019), with the label's own weight at infinity as Podkopaev and
    Ramdas (2021) have it under label shift. With equal weights it is the ceil((n + 1) (1 - alpha))-th smallest
    score, the same for all labels. It is infinite where the calibration cells are too few to say.

    Parameters
    ----------
    scores
        Of the calibration cells' true labels.
    weights
        Of the calibration cells: how much more frequent their labels are among the new cells.
    weight_of_label
        The same for each label that a new cell may have.
    alpha
        Share of new cells whose set may miss their label.

    Examples
    --------
    >>> label_thresholds(np.arange(1.0, 10), np.ones(9), np.ones(2), 0.2)
    array([8., 8.])
    >>> label_thresholds(np.arange(1.0, 10), np.ones(9), np.array([1.0, 40.0]), 0.2)
    array([ 8., inf])
    """
    order = np.argsort(scores)
    reached = weights[order].cumsum()
    needed = (1 - alpha) * (reached[-1] + weight_of_label) * (1 - ROUNDING)
    return np.append(scores[order], np.inf)[np.searchsorted(reached, needed)]


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
