"""Probabilities that are as often right as they say, learnt on cells whose labels are known.

Evidence e_t = log p(t | x) - log pi_t, with the reference's type frequencies pi, becomes

    p(t | x) proportional to pi_t exp(beta(l) e_t + b_t)

Evidence of overconfident methods is weakened (beta < 1), down to the frequencies themselves where it is worth
nothing. How much depends on the depth l: log(beta) is quadratic in log(l). All parameters have normal priors
around "as it is".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ._depth_curve import DepthCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._evidence import Evidence

N_FOLDS = 5
"""Of the held-out cells, to judge calibrated probabilities on cells that the calibration has not seen."""

SLOPE_SD, BIAS_SD = 1.0, 0.5
"""Standard deviations of the priors: a type's odds are off by less than a factor of two or three."""

MOST_EVIDENCE = 30.0
"""In nats; more decides nothing, and would drown the rest of a sum in float64."""


class Calibrator(NamedTuple):
    """Fitted by :func:`fit_calibrator`; ``slopes`` are those of log(beta) along ``curve``."""

    slopes: NDArray[np.float64]
    bias: NDArray[np.float64]
    log_prior: NDArray[np.float64]
    curve: DepthCurve

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Give calibrated probabilities, cells by types; a type without reference cells has 0."""
        strength = np.exp(self.curve.powers(evidence.total_umi) @ self.slopes)[:, np.newaxis]
        return softmax(self.log_prior + strength * _gain(evidence, self.log_prior) + self.bias, axis=1)


def fit_calibrator(evidence: Evidence, codes: NDArray[np.int64], frequencies: NDArray[np.float64]) -> Calibrator:
    """Fit by the log loss of held-out cells.

    Parameters
    ----------
    evidence
        Of the cells.
    codes
        Their types.
    frequencies
        Of the types in the reference.
    """
    with np.errstate(divide="ignore"):
        log_prior = np.log(frequencies)
    curve = DepthCurve.of(evidence.total_umi)
    gain, powers = _gain(evidence, log_prior), curve.powers(evidence.total_umi)
    cells = np.arange(len(codes))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slopes, bias = parameters[:3], parameters[3:]
        strength = np.exp(powers @ slopes)
        log_p = log_softmax(log_prior + strength[:, np.newaxis] * gain + bias, axis=1)
        residual = np.exp(log_p)
        residual[cells, codes] -= 1
        penalty = (slopes @ slopes / SLOPE_SD**2 + bias @ bias / BIAS_SD**2) / 2
        by_slope = ((residual * gain).sum(1) * strength) @ powers + slopes / SLOPE_SD**2
        by_bias = residual.sum(0) + bias / BIAS_SD**2
        return float(penalty - log_p[cells, codes].sum()), np.concatenate([by_slope, by_bias])

    fitted = minimize(loss, np.zeros(3 + len(log_prior)), jac=True, method="L-BFGS-B").x
    return Calibrator(fitted[:3], fitted[3:], log_prior, curve)


def cross_calibrated(
    evidence: Evidence, codes: NDArray[np.int64], frequencies: NDArray[np.float64], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Give each held-out cell the probabilities of a calibrator that was fitted without its fold."""
    out = np.empty_like(evidence.log_probability)
    for held_out in np.unique(fold):
        own = fold == held_out
        out[own] = fit_calibrator(evidence.take(~own), codes[~own], frequencies)(evidence.take(own))
    return out


def _gain(evidence: Evidence, log_prior: NDArray[np.float64]) -> NDArray[np.float64]:
    present = np.isfinite(log_prior)
    gain = np.zeros_like(evidence.log_probability)
    gain[:, present] = evidence.log_probability[:, present] - log_prior[present]
    gain -= gain[:, present].max(axis=1, keepdims=True)
    return np.maximum(gain, -MOST_EVIDENCE)
