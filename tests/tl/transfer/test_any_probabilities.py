"""Whatever the probabilities, a correction for type frequencies leaves probabilities."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lowdepth.tl._transfer._label_shift import correct_label_shift


@st.composite
def cells(draw):
    """Draw frequencies, of which some may be zero, and calibrated probabilities of cells in bins of depth."""
    n_types, n_cells, n_held_out = draw(st.integers(2, 5)), draw(st.integers(1, 30)), draw(st.integers(1, 30))
    weight = st.one_of(st.just(0.0), st.floats(1e-12, 1))
    frequencies = draw(hnp.arrays(np.float64, n_types, elements=weight))
    frequencies[draw(st.integers(0, n_types - 1))] = 1

    def probabilities(n):
        drawn = draw(hnp.arrays(np.float64, (n, n_types), elements=st.floats(1e-12, 1))) * (frequencies > 0)
        return drawn / drawn.sum(axis=1, keepdims=True)

    bins, held_out_bins = (draw(hnp.arrays(np.intp, n, elements=st.integers(0, 2))) for n in (n_cells, n_held_out))
    bins = np.unique(bins, return_inverse=True)[1]  # none is without a cell to label: they are cut at cells' depths
    return probabilities(n_cells), bins, probabilities(n_held_out), held_out_bins, frequencies / frequencies.sum()


@given(cells())
def test_probabilities_stay_probabilities(given_cells):
    before = [array.copy() for array in given_cells]
    probability, bins, *_, frequencies = given_cells
    corrected, prior = correct_label_shift(*given_cells)
    for one in (corrected, prior):
        assert (one >= 0).all()
        np.testing.assert_allclose(one.sum(axis=1), 1)
        assert (one[:, frequencies == 0] == 0).all()
    as_they_were = np.isin(bins, np.flatnonzero((prior == frequencies).all(axis=1)))
    np.testing.assert_array_equal(corrected[as_they_were], probability[as_they_were])
    for array, own in zip(given_cells, before, strict=True):
        np.testing.assert_array_equal(array, own)
