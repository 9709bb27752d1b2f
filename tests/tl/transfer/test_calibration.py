"""Calibration finds what made probabilities wrong, and learns nothing where nothing is wrong."""

from __future__ import annotations

import numpy as np
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_softmax, softmax

from lowdepth.tl._transfer import _calibration as module
from lowdepth.tl._transfer._calibration import cross_calibrated, fit_calibrator
from lowdepth.tl._transfer._evidence import Evidence
from lowdepth.tl._transfer._reliability import calibration_table, reliability

PRIOR = np.array([0.5, 0.3, 0.15, 0.05])


def known(n_obs, *, seed=0):
    """Draw labels, depths, and the exact log posterior of a Gaussian observation that depth makes sharper."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(len(PRIOR), n_obs, p=PRIOR)
    depth = np.exp(rng.uniform(np.log(20), np.log(1000), n_obs))
    noise = (100 / depth)[:, np.newaxis] ** 0.5
    seen = np.eye(len(PRIOR))[codes] + noise * rng.standard_normal((n_obs, len(PRIOR)))
    log_likelihood = np.stack([-((seen - mean) ** 2).sum(1) / 2 for mean in np.eye(len(PRIOR))], axis=1) / noise**2
    return codes, depth, log_likelihood


def evidence(log_likelihood, depth):
    return Evidence(log_softmax(np.log(PRIOR) + log_likelihood, axis=1), depth)


def log_loss(probability, codes):
    return -np.log(probability[np.arange(len(codes)), codes]).mean()


def test_what_is_right_stays_right():
    codes, depth, log_likelihood = known(20_000)
    truth = evidence(log_likelihood, depth)
    calibrated = fit_calibrator(truth, codes, PRIOR)(truth)
    # seven parameters fitted to n cells: Kullback-Leibler divergence of 7 / (2 n) on average
    exact = np.exp(truth.log_probability)
    divergence = (exact * np.log(exact / calibrated)).sum(1).mean()
    assert divergence < 4 * 7 / (2 * 20_000)


def test_overconfidence_that_grows_with_depth_is_undone():
    codes, depth, log_likelihood = known(20_000)
    too_sure = evidence(log_likelihood * (depth / 50)[:, np.newaxis] ** 0.5, depth)
    calibrated = fit_calibrator(too_sure, codes, PRIOR)(too_sure)
    exact = softmax(np.log(PRIOR) + log_likelihood, axis=1)
    assert log_loss(calibrated, codes) - log_loss(exact, codes) < 1e-3
    assert log_loss(np.exp(too_sure.log_probability), codes) - log_loss(exact, codes) > 0.02


def test_worthless_evidence_leaves_the_frequencies():
    rng = np.random.default_rng(0)
    codes, depth, _ = known(20_000)
    noise = evidence(rng.normal(0, 3, (len(codes), len(PRIOR))), depth)
    calibrated = fit_calibrator(noise, codes, PRIOR)(noise)
    assert np.abs(calibrated - PRIOR).max() < 0.15
    assert np.abs(calibrated.mean(0) - PRIOR).max() < 4 * 0.5 / len(codes) ** 0.5


def test_a_type_that_is_said_too_often_is_said_less():
    codes, depth, log_likelihood = known(20_000)
    biased = evidence(log_likelihood + 0.7 * np.eye(4)[2], depth)
    bias = fit_calibrator(biased, codes, PRIOR).bias
    np.testing.assert_allclose(bias[2] - bias[[0, 1]].mean(), -0.7, atol=0.1)


def test_the_fit_is_where_a_search_without_gradients_ends():
    codes, depth, log_likelihood = known(300)
    seen = evidence(2 * log_likelihood, depth)
    fitted = fit_calibrator(seen, codes, PRIOR)

    def loss(parameters):
        calibrated = fitted._replace(slopes=parameters[:3], bias=parameters[3:])(seen)
        penalty = (parameters[:3] ** 2).sum() / module.SLOPE_SD**2 + (parameters[3:] ** 2).sum() / module.BIAS_SD**2
        return log_loss(calibrated, codes) * len(codes) + penalty / 2

    found = np.concatenate([fitted.slopes, fitted.bias])
    searched = minimize(loss, np.zeros(7), method="Powell").x
    assert loss(found) <= loss(searched) + 1e-4
    assert np.abs(approx_fprime(found, loss, 1e-6)).max() < 0.05


def test_a_type_without_references_is_impossible():
    codes, depth, log_likelihood = known(200)
    prior = np.append(PRIOR, 0.0)
    seen = Evidence(np.column_stack([evidence(log_likelihood, depth).log_probability, np.full(200, -np.inf)]), depth)
    calibrated = fit_calibrator(seen, codes, prior)(seen)
    assert (calibrated[:, 4] == 0).all()
    np.testing.assert_allclose(calibrated.sum(1), 1)


def test_depths_beyond_the_held_out_ones_are_taken_like_the_outermost():
    codes, depth, log_likelihood = known(500)
    calibrator = fit_calibrator(evidence(3 * log_likelihood, depth), codes, PRIOR)
    one = log_likelihood[:1]
    np.testing.assert_array_equal(
        calibrator(evidence(one, np.array([1e6]))), calibrator(evidence(one, np.array([1e9])))
    )


def test_a_fold_has_no_say_in_its_own_probabilities():
    codes, depth, log_likelihood = known(500)
    seen, fold = evidence(2 * log_likelihood, depth), np.arange(500) % 5
    before = cross_calibrated(seen, codes, PRIOR, fold)
    changed = np.where(fold == 3, 0, codes)
    after = cross_calibrated(seen, changed, PRIOR, fold)
    np.testing.assert_array_equal(before[fold == 3], after[fold == 3])
    assert (before[fold != 3] != after[fold != 3]).any()


def test_reliability_by_hand():
    probability = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.3, 0.7], [1.0, 0.0]])
    curve = reliability(probability, np.array([0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1]))
    expected = [[0, 0.55, 1.0, 1], [0, 0.95, 0.5, 2], [1, 0.7, 1.0, 1], [1, 1.0, 1.0, 1]]
    np.testing.assert_allclose(curve[["depth_bin", "confidence", "accuracy", "n"]], expected)
    table = calibration_table(curve, np.array([20.0, 50.0, 90.0]), 100.0)
    np.testing.assert_array_equal(table[["umi_low", "umi_high", "n"]], [[20, 50, 3], [50, 90, 2], [90, 100, 0]])
    np.testing.assert_allclose(table["ece"], [(0.45 + 2 * 0.45) / 3, 0.15, np.nan])
    np.testing.assert_allclose(table["accuracy"], [2 / 3, 1, np.nan])


def test_exact_probabilities_have_an_error_of_chance_only():
    n_obs = 20_000
    codes, _, log_likelihood = known(n_obs)
    curve = reliability(softmax(np.log(PRIOR) + log_likelihood, axis=1), codes, np.zeros(n_obs, int))
    ece = calibration_table(curve, np.array([20.0]), 1000.0)["ece"][0]
    # the mean absolute error of ten binomial shares, each of at most half a standard error of its cells
    assert ece < 2 * (np.sqrt(curve["n"]) * 0.5).sum() / n_obs
