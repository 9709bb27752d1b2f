"""Type frequencies of the cells to label are found where they differ, and left alone where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from lowdepth.tl._transfer._label_shift import PRIOR_OF_ALL, PRIOR_OF_BIN, correct_label_shift

PRIOR = np.array([0.6, 0.3, 0.099, 0.001])
SHIFTED = np.array([0.2, 0.3, 0.3, 0.2])


def known(frequencies, n_obs, *, sharpness=2.0, seed=0):
    """Draw types by their frequencies, and what a classifier calibrated at ``PRIOR`` says of them."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(4, n_obs, p=frequencies)
    seen = sharpness * np.eye(4)[codes] + rng.standard_normal((n_obs, 4))
    return codes, softmax(np.log(PRIOR) + sharpness * seen, axis=1)


def correct(probability, bins=None, held_out_seed=1):
    _, held_out = known(PRIOR, 4000, seed=held_out_seed)
    bins = np.zeros(len(probability), int) if bins is None else bins
    return correct_label_shift(probability, bins, held_out, np.arange(4000) % (bins.max() + 1), PRIOR)


def recalls(probability, codes):
    return np.array([(probability.argmax(1)[codes == kind] == kind).mean() for kind in range(4)])


def most_likely(probability, center, prior):
    """Maximise the likelihood of frequencies times a Dirichlet density around others by another algorithm."""

    def loss(logits):
        frequencies = softmax(logits)
        log_likelihood = np.log(probability @ (frequencies / PRIOR)).sum()
        return -log_likelihood - prior * len(probability) * center @ np.log(frequencies)

    return softmax(minimize(loss, np.log(PRIOR), options={"gtol": 1e-3}).x)


def test_frequencies_are_found_and_probabilities_are_exact_at_them():
    codes, probability = known(SHIFTED, 4000)
    corrected, frequencies = correct(probability)
    of_all = most_likely(probability, PRIOR, PRIOR_OF_ALL)
    np.testing.assert_allclose(frequencies[0], most_likely(probability, of_all, PRIOR_OF_BIN), atol=1e-3)
    exact = probability * frequencies[0] / PRIOR
    np.testing.assert_allclose(corrected, exact / exact.sum(1, keepdims=True))
    assert recalls(corrected, codes)[3] > 0.6
    assert recalls(probability, codes)[3] < 0.3
    assert recalls(corrected, codes).mean() > recalls(probability, codes).mean() + 0.1


def test_the_truth_is_found_without_a_prior_and_most_of_it_with_one():
    _, probability = known(SHIFTED, 4000)
    # a frequency known from n cells, of which classification leaves half the information at least
    np.testing.assert_allclose(most_likely(probability, PRIOR, 0.0), SHIFTED, atol=4 * np.sqrt(2 * 0.25 / 4000))
    _, frequencies = correct(probability)
    assert 0.1 < frequencies[0, 3] < 0.2


@pytest.mark.parametrize("seed", range(10))
def test_nothing_happens_without_a_shift(seed):
    _, probability = known(PRIOR, 2000, seed=seed + 100)
    corrected, frequencies = correct(probability)
    np.testing.assert_array_equal(corrected, probability)
    np.testing.assert_array_equal(frequencies, [PRIOR])


def test_bins_are_corrected_on_their_own():
    _, shifted = known(SHIFTED, 2000)
    _, as_before = known(PRIOR, 2000, seed=1)
    bins = np.repeat([0, 1], 2000)
    corrected, frequencies = correct(np.concatenate([shifted, as_before]), bins)
    assert 0.1 < frequencies[0, 3] < 0.2  # half way by number of cells, most of the way by odds
    np.testing.assert_array_equal(frequencies[1], PRIOR)
    np.testing.assert_array_equal(corrected[2000:], as_before)


def test_miscalibration_of_the_held_out_cells_is_no_shift():
    def twisted(probability):
        weighted = probability * [1.0, 3.0, 1.0, 1.0]
        return weighted / weighted.sum(1, keepdims=True)

    held_out, query = (twisted(known(PRIOR, 3000, seed=seed)[1]) for seed in (1, 2))
    bins = np.zeros(3000, int)
    corrected, _ = correct_label_shift(query, bins, held_out, bins, PRIOR)
    np.testing.assert_array_equal(corrected, query)


def test_a_bin_that_is_off_by_its_dimness_stays_near_the_others():
    """Where cells say next to nothing, an error of their probabilities becomes frequencies that nothing contradicts."""
    tilt = np.array([1.0, 1.0, 1.0, 3.0])
    _, dim = known(PRIOR, 400, sharpness=0.5)
    tilted = dim * tilt / (dim * tilt).sum(1, keepdims=True)
    _, bright = known(SHIFTED, 4000, seed=2)
    bins = np.repeat([0, 1], [400, 4000])
    _, frequencies = correct(np.concatenate([tilted, bright]), bins)
    assert frequencies[0, 3] < 0.6  # no further than half way to all of them


def test_few_cells_are_not_corrected_beyond_doubt():
    _, probability = known(SHIFTED, 5)
    corrected, _ = correct(probability)
    np.testing.assert_array_equal(corrected, probability)


def test_a_type_without_references_stays_impossible():
    _, probability = known(SHIFTED, 1000)
    padded = np.column_stack([probability, np.zeros(1000)])
    prior = np.append(PRIOR, 0.0)
    bins = np.zeros(1000, int)
    held_out = np.column_stack([known(PRIOR, 1000, seed=1)[1], np.zeros(1000)])
    corrected, frequencies = correct_label_shift(padded, bins, held_out, bins, prior)
    assert frequencies[0, 4] == 0
    assert (corrected[:, 4] == 0).all()
    np.testing.assert_allclose(corrected.sum(1), 1)


def test_order_of_cells_does_not_matter():
    _, probability = known(SHIFTED, 1000)
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_allclose(correct(probability[order])[0], correct(probability)[0][order], atol=1e-6)
