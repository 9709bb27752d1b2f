"""How frequent the types are among the cells to label, where they differ from the labelled ones.

Expectation maximisation of Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new
a priori probabilities" (Neural Computation 2002): with p_it calibrated at the frequencies pi_t of the reference,

    r_it proportional to p_it q_t / pi_t,    q_t = (sum_i r_it + a c_t) / (n + a),

alternately, where c are frequencies that are known already, and a the cells that they count for. Probabilities that
are a little off move q without end where cells say little of their type, however many cells there are, so a is a share
of n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_OF_ALL, PRIOR_OF_BIN = 0.2, 1.0
"""What ``c`` counts for, for each cell. With 300 to 1,500 deep cells of ``pbmc_ifnb_14k``, which have the shallow
cells' frequencies, corrections of bins with next to no prior cost up to 8.7 points of accuracy, with this one up to
1.8 (``benchmarks/few_references.py``). Where types of a bin do differ, about three quarters of the gain are left."""

LEAST_CELLS_OF_PRIOR = 20.0
"""Enough to keep a type alive that one cell of a few may have."""

FALSE_ALARM = 1e-3
"""Probability of a correction by chance, where there is nothing to correct."""

LEAST_GAIN = 0.1
"""Nats a cell that a correction has to explain, about what a type does that is 9 % instead of 1 %. Smaller shifts, as
thinning makes in ``pbmc_ifnb_14k`` (0.02 to 0.04), are not worth it: even the true frequencies lower the log loss
by 0.003 there, while estimated ones, which take up all errors of the probabilities, raise it by 0.01 to 0.05."""

N_STEPS = 500
TOLERANCE = 1e-6


def correct_label_shift(
    probability: NDArray[np.float64],
    bins: NDArray[np.intp],
    held_out: NDArray[np.float64],
    held_out_bins: NDArray[np.intp],
    frequencies: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correct calibrated probabilities for the cells' own type frequencies.

    The frequencies of all cells together come first, since a bin has few cells. They replace those of the reference
    only where they explain the cells better by more than chance (likelihood-ratio test), by more than what imperfect
    calibration does to held-out cells, which have the frequencies of the reference, and by more than is worth it. A
    bin takes what explains it better, the frequencies of the reference or of all cells, or its own, if these
    are better beyond doubt again.

    Parameters
    ----------
    probability, bins
        Of the cells to label, calibrated, and their depth bins.
    held_out, held_out_bins
        The same of held-out reference cells.
    frequencies
        Of the types in the reference.

    Returns
    -------
    The probabilities, and the frequencies of the types in each bin, bins by types.
    """
    chance = chi2.isf(FALSE_ALARM, max(1, int(np.count_nonzero(frequencies)) - 1)) / 2

    def improves(
        cells: NDArray[np.float64],
        judged: NDArray[np.float64],
        estimate: NDArray[np.float64],
        base: NDArray[np.float64],
        prior: float,
    ) -> bool:
        gain = _gain(cells, frequencies, estimate) - _gain(cells, frequencies, base)
        apparent = _gain(judged, frequencies, _estimate(judged, frequencies, frequencies, prior))
        return bool(gain.sum() > chance + len(cells) * apparent.sum() / max(1, len(judged)))

    overall = _estimate(probability, frequencies, frequencies, PRIOR_OF_ALL)
    known = [frequencies]
    if _is_large(probability, frequencies, overall) and improves(
        probability, held_out, overall, frequencies, PRIOR_OF_ALL
    ):
        known.append(overall)
    chosen = np.tile(frequencies, (int(bins.max()) + 1, 1))
    for depth_bin in range(len(chosen)):
        cells, judged = probability[bins == depth_bin], held_out[held_out_bins == depth_bin]
        base = max(known, key=lambda one: _gain(cells, frequencies, one).sum())
        own = _estimate(cells, frequencies, base, PRIOR_OF_BIN)
        worth_it = len(known) > 1 or _is_large(cells, frequencies, own)
        chosen[depth_bin] = own if worth_it and improves(cells, judged, own, base, PRIOR_OF_BIN) else base
    corrected = probability.copy()
    for depth_bin, own in enumerate(chosen):
        if (own != frequencies).any():
            corrected[bins == depth_bin] = _reweighted(probability[bins == depth_bin], frequencies, own)
    return corrected, chosen


def _ratio(frequencies: NDArray[np.float64], estimate: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(estimate, frequencies, out=np.zeros_like(estimate), where=frequencies > 0)


def _reweighted(
    p: NDArray[np.float64], frequencies: NDArray[np.float64], estimate: NDArray[np.float64]
) -> NDArray[np.float64]:
    weighted = p * _ratio(frequencies, estimate)
    return weighted / weighted.sum(1, keepdims=True)


def _gain(
    p: NDArray[np.float64], frequencies: NDArray[np.float64], estimate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give each cell's log-likelihood ratio of the estimate against the reference's frequencies."""
    return np.log(p @ _ratio(frequencies, estimate))


def _is_large(p: NDArray[np.float64], frequencies: NDArray[np.float64], estimate: NDArray[np.float64]) -> bool:
    return bool(_gain(p, frequencies, estimate).mean() > LEAST_GAIN)


def _estimate(
    p: NDArray[np.float64], frequencies: NDArray[np.float64], center: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    estimate, n_prior = center, max(LEAST_CELLS_OF_PRIOR, prior * len(p))
    for _ in range(N_STEPS):
        counts = _reweighted(p, frequencies, estimate).sum(0) + n_prior * center
        previous, estimate = estimate, counts / counts.sum()
        if np.abs(estimate - previous).max() < TOLERANCE:
            break
    return estimate
