"""Reliability curves show what the transfer recorded."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import assert_unchanged

import lowdepth as ld
from lowdepth.pl._calibration import _calibration_data


def dots(ax):
    return [collection.get_offsets().data.tolist() for collection in ax.collections]


def test_dots_are_the_confidence_bins_of_twenty_cells_or_more(scored):
    ax = ld.pl.calibration(scored)
    assert dots(ax) == [[[0.35, 0.25], [0.55, 0.6], [0.95, 0.9]], [[0.85, 0.8]]]


def test_area_grows_with_the_number_of_cells(scored):
    sizes = ld.pl.calibration(scored).collections[0].get_sizes()
    assert np.diff(sizes) / np.diff([40, 100, 300]) == pytest.approx([0.4, 0.4])


def test_legend_names_depths_and_errors(scored):
    legend = ld.pl.calibration(scored).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["20 to 100 (0.031)", "100 to 1,500 (0.012)"]


def test_the_diagonal_is_there(scored):
    line = ld.pl.calibration(scored).lines[0]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0], [1, 1]])


def test_depths_have_colours_of_the_map_in_order(scored):
    ax = ld.pl.calibration(scored, cmap="plasma")
    observed = [collection.get_facecolor()[0, :3] for collection in ax.collections]
    np.testing.assert_allclose(observed, plt.get_cmap("plasma")([0.0, 0.9])[:, :3])


def test_a_bin_without_dots_stays_in_the_legend(scored):
    record = scored.uns["label_transfer"]
    record["reliability"] = record["reliability"].query("depth_bin == 0")
    assert _calibration_data(record)["label"].cat.categories.to_list() == ["20 to 100 (0.031)", "100 to 1,500 (0.012)"]
    assert len(ld.pl.calibration(scored).get_legend().get_texts()) == 2


def test_key(scored):
    scored.uns["kind"] = scored.uns.pop("label_transfer")
    assert dots(ld.pl.calibration(scored, key="kind"))[1] == [[0.85, 0.8]]


def test_missing_records_name_the_next_step(scored):
    with assert_unchanged(scored), pytest.raises(KeyError, match=r"\['kind'\] is missing; run `ld.tl.label_transfer"):
        ld.pl.calibration(scored, key="kind")
    scored.uns["label_transfer"] = {"params": {"method": "knn"}}
    with pytest.raises(KeyError, match=r"holds no 'calibration'; run .* model=model"):
        ld.pl.calibration(scored)
    assert plt.get_fignums() == []
