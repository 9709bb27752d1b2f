"""The histogram of depths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

import lowdepth as ld
from lowdepth.pl._umi_histogram import _percent_below, _umi_histogram_data


def test_data_counts_each_cell_once_in_bins_of_equal_ratio(adata):
    data = _umi_histogram_data(adata, n_bins=7, groupby=None)
    assert data["n_cells"].sum() == adata.n_obs
    assert data["umi_low"].iloc[0] == 10
    assert data["umi_high"].iloc[-1] == 6000
    np.testing.assert_allclose(data["umi_high"] / data["umi_low"], 600 ** (1 / 7))
    inside = [
        ((adata.obs["total_umi"] >= low) & (adata.obs["total_umi"] < high)).sum()
        for low, high in zip(data["umi_low"][:-1], data["umi_high"][:-1], strict=True)
    ]
    assert data["n_cells"].tolist()[:-1] == inside


def test_data_by_group_adds_up(adata):
    together = _umi_histogram_data(adata, n_bins=7, groupby=None)
    apart = _umi_histogram_data(adata, n_bins=7, groupby="sample")
    assert apart.groupby("group")["n_cells"].sum().to_dict() == {"a": 4, "b": 8}
    np.testing.assert_array_equal(apart.groupby("umi_low")["n_cells"].sum(), together["n_cells"])


def test_a_cell_without_umis_is_counted_in_the_bin_of_one(adata):
    adata.obs.loc["cell 0", "total_umi"] = 0
    data = _umi_histogram_data(adata, n_bins=7, groupby=None)
    assert (data["umi_low"].iloc[0], data["n_cells"].iloc[0]) == (1, 1)


def test_cells_of_one_depth(adata):
    adata.obs["total_umi"] = 500.0
    data = _umi_histogram_data(adata, n_bins=4, groupby=None)
    assert (data["umi_high"] > data["umi_low"]).all()
    assert data["n_cells"].sum() == adata.n_obs


def test_percent_below_excludes_the_cutoff_itself(adata):
    assert _percent_below(adata, low_umi=1000, groupby=None) == {"all cells": 50}
    assert _percent_below(adata, low_umi=1001, groupby=None) == {"all cells": pytest.approx(100 * 7 / 12)}
    assert _percent_below(adata, low_umi=1000, groupby="sample") == {"a": 100, "b": 25}


def test_bars_stand_on_a_logarithmic_axis(adata):
    ax = ld.pl.umi_histogram(adata, n_bins=7)
    data = _umi_histogram_data(adata, n_bins=7, groupby=None)
    values, edges, _ = ax.patches[0].get_data()
    np.testing.assert_array_equal(values, data["n_cells"])
    np.testing.assert_array_equal(edges, [*data["umi_low"], 6000])
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("UMIs per cell", "cells")


def test_the_tutorial_has_100_bins_and_cuts_at_1000(adata):
    ax = ld.pl.umi_histogram(adata)
    assert len(ax.patches[0].get_data().values) == 100
    assert ax.lines[0].get_xdata() == [1000, 1000]


def test_the_cutoff_is_dashed_and_says_what_it_costs(adata):
    ax = ld.pl.umi_histogram(adata, low_umi=35)
    assert ax.lines[0].get_xdata() == [35, 35]
    assert ax.lines[0].get_linestyle() == "--"
    assert [text.get_text() for text in ax.texts] == ["25.0 % of cells\nbelow 35 UMIs"]


@pytest.mark.parametrize(("low_umi", "side"), [(20, "left"), (3000, "right")])
def test_the_text_stays_inside(low_umi, side, adata):
    ax = ld.pl.umi_histogram(adata, low_umi=low_umi)
    ax.figure.canvas.draw()
    assert ax.texts[0].get_ha() == side
    box, frame = ax.texts[0].get_window_extent(), ax.get_window_extent()
    assert frame.x0 <= box.x0
    assert box.x1 <= frame.x1
    highest = ax.transData.transform((1, ax.patches[0].get_data().values.max()))[1]
    assert box.y0 >= highest


def test_ticks_are_written_out(adata):
    ax = ld.pl.umi_histogram(adata)
    ax.figure.canvas.draw()
    assert {"30", "100", "1,000", "3,000"} <= {tick.get_text() for tick in ax.get_xticklabels()}


def test_groups_are_outlines_in_the_columns_colours(adata):
    adata.uns["sample_colors"] = ["#ff0000", "#0000ff"]
    ax = ld.pl.umi_histogram(adata, groupby="sample")
    assert [patch.get_fill() for patch in ax.patches] == [False, False]
    assert all(map(same_color, [patch.get_edgecolor() for patch in ax.patches], ["red", "blue"]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (100.0 % below)", "b (25.0 % below)"]
    assert ax.get_legend().get_title().get_text() == "sample"
    assert [text.get_text() for text in ax.texts] == ["50.0 % of cells\nbelow 1,000 UMIs"]


def test_long_names_of_groups_leave_room_for_the_text(adata):
    adata.obs["sample"] = [f"a biopsy of the left upper lobe, donor {i % 2}, after treatment" for i in range(12)]
    ax = ld.pl.umi_histogram(adata, groupby="sample", low_umi=400)
    ax.figure.canvas.draw()
    assert ax.texts[0].get_window_extent().x0 >= ax.get_window_extent().x0
    assert all("\n" in text.get_text() for text in ax.get_legend().get_texts())


def test_groups_without_colours_get_them(adata):
    ld.pl.umi_histogram(adata, groupby="sample")
    assert len(adata.uns["sample_colors"]) == 2


def test_groups_without_cells_are_left_out(adata):
    adata.obs["sample"] = pd.Categorical(adata.obs["sample"], categories=["a", "absent", "b"])
    assert len(ld.pl.umi_histogram(adata, groupby="sample").patches) == 2


@pytest.mark.parametrize("options", [{"low_umi": 0}, {"n_bins": 0}, {"low_umi": float("nan")}])
def test_options_out_of_range(options, adata):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}=.*at least 1"):
        ld.pl.umi_histogram(adata, **options)
