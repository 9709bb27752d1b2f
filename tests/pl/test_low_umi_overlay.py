"""Shallow cells on top of deep ones."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color, to_hex

import lowdepth as ld
from lowdepth.pl._background import deep_grey
from lowdepth.pl._low_umi_overlay import _low_umi_overlay_data
from lowdepth.pl._palette import COLORS, MISSING


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_data_puts_shallow_cells_on_top(adata):
    data = _low_umi_overlay_data(adata, ["X_first"], "cell_type", low_umi=1000)
    assert set(data.index[:6]) == {f"cell {i}" for i in range(6, 12)}
    assert data["layer"].tolist() == [0] * 6 + [2] * 6


def test_data_orders_missing_labels_between(adata):
    adata.obs.loc[["cell 0", "cell 11"], "cell_type"] = None
    data = _low_umi_overlay_data(adata, ["X_first"], "cell_type", low_umi=1000)
    assert data["layer"].tolist() == [0] * 6 + [1] + [2] * 5
    assert data.index[6] == "cell 0"


def test_the_cutoff_itself_is_deep(adata):
    data = _low_umi_overlay_data(adata, ["X_first"], "cell_type", low_umi=60)
    assert data.loc["cell 5", "layer"] == 0
    assert data.loc["cell 4", "layer"] == 2


def test_shallow_cells_are_shuffled_with_a_fixed_seed(adata):
    once, again = (_low_umi_overlay_data(adata, ["X_first"], "cell_type", low_umi=1e9) for _ in range(2))
    assert once.index.tolist() == again.index.tolist() != adata.obs_names.tolist()
    # sorted by type, three types of four cells would give two changes of type
    assert (once["value"].array[1:] != once["value"].array[:-1]).sum() > 2


def test_deep_cells_are_grey_and_shallow_ones_have_their_types_colour(adata):
    cells = ld.pl.low_umi_overlay(adata, "X_first", color="cell_type").collections[0]
    colors = dict(zip(["B cell", "NK cell", "T cell"], COLORS, strict=False))
    for (x, _), color in zip(cells.get_offsets(), cells.get_facecolors(), strict=True):
        expected = deep_grey() if x >= 6 else colors[adata.obs["cell_type"].iloc[int(x)]]
        assert same_color(color, expected)


def test_the_legend_names_types_and_cutoff(adata):
    ax = ld.pl.low_umi_overlay(adata, "X_first", color="cell_type")
    assert legend_texts(ax) == ["B cell", "NK cell", "T cell", "1,000 UMIs or more"]
    assert to_hex(ax.get_legend().legend_handles[-1].get_color()) == deep_grey()
    assert ax.get_legend().get_title().get_text() == "cell_type of cells\nbelow 1,000 UMIs"


def test_the_legend_names_only_what_is_there(adata):
    assert legend_texts(ld.pl.low_umi_overlay(adata, "X_first", color="cell_type", low_umi=25)) == [
        "B cell",
        "T cell",
        "25 UMIs or more",
    ]
    assert legend_texts(ld.pl.low_umi_overlay(adata, "X_first", color="cell_type", low_umi=1e5)) == [
        "B cell",
        "NK cell",
        "T cell",
    ]


def test_missing_labels_among_shallow_cells_are_named(adata):
    adata.obs.loc[["cell 0", "cell 11"], "cell_type"] = None
    ax = ld.pl.low_umi_overlay(adata, "X_first", color="cell_type")
    assert legend_texts(ax)[-2:] == ["NA", "1,000 UMIs or more"]
    colors = [to_hex(color) for color in ax.collections[0].get_facecolors()]
    assert colors[:7] == [deep_grey()] * 6 + [MISSING]


def test_panels_have_the_same_cells_on_top(adata):
    first, second = ld.pl.low_umi_overlay(adata, ["X_first", "X_second"], color="cell_type")
    np.testing.assert_array_equal(first.collections[0].get_offsets(), -second.collections[0].get_offsets())
    np.testing.assert_array_equal(first.collections[0].get_facecolors(), second.collections[0].get_facecolors())


def test_no_shallow_cell(adata):
    with pytest.raises(ValueError, match="`low_umi=10`: the shallowest has 10; raise `low_umi`"):
        ld.pl.low_umi_overlay(adata, "X_first", color="cell_type", low_umi=10)
