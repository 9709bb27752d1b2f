"""Which colours categories get, and what is written down of it."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged
from matplotlib.colors import same_color, to_hex

import lowdepth as ld
from lowdepth.pl._background import deep_grey
from lowdepth.pl._palette import COLORS, COLORS_ON_DARK, MISSING, choose_colors

TYPES = ["B cell", "NK cell", "T cell"]
STORED = ["#111111", "#222222", "#333333"]


def legend_colors(ax):
    handles = ax.get_legend().legend_handles
    return {handle.get_label(): to_hex(handle.get_color()) for handle in handles}


def drawn_color(ax, position):
    cells = ax.collections[0]
    (place,) = np.flatnonzero((cells.get_offsets() == position).all(axis=1))
    return cells.get_facecolors()[place]


def test_a_new_column_gets_the_default_and_it_is_written(adata):
    ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    assert adata.uns["cell_type_colors"] == list(COLORS[:3])
    assert legend_colors(ax) == dict(zip(TYPES, COLORS, strict=False))


def test_recorded_colours_are_honoured_and_left_as_they_are(adata):
    adata.uns["cell_type_colors"] = np.array([*STORED, "#444444"])
    with assert_unchanged(adata):
        ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    assert legend_colors(ax) == dict(zip(TYPES, STORED, strict=True))


def test_recorded_colours_may_be_named_by_category(adata):
    adata.uns["cell_type_colors"] = dict(zip(TYPES, STORED, strict=True))
    with assert_unchanged(adata):
        ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    assert legend_colors(ax) == dict(zip(TYPES, STORED, strict=True))


def test_no_colours_are_no_hindrance(adata):
    adata.uns["cell_type_colors"] = None
    ld.pl.embedding(adata, "X_first", color="cell_type")
    assert adata.uns["cell_type_colors"] == list(COLORS[:3])


@pytest.mark.parametrize(
    "palette", [["red", "lime", "blue"], {"T cell": "blue", "B cell": "red", "NK cell": "lime", "other": "black"}]
)
def test_the_palette_goes_before_recorded_colours_and_replaces_them(palette, adata):
    adata.uns["cell_type_colors"] = STORED
    ax = ld.pl.embedding(adata, "X_first", color="cell_type", palette=palette)
    assert adata.uns["cell_type_colors"] == ["#ff0000", "#00ff00", "#0000ff"]
    assert list(legend_colors(ax).values()) == ["#ff0000", "#00ff00", "#0000ff"]


@pytest.mark.parametrize("stored", [STORED[:2], ["#111111", "no colour", "#333333"]])
def test_recorded_colours_that_do_not_fit_are_replaced(stored, adata):
    adata.uns["cell_type_colors"] = stored
    ld.pl.embedding(adata, "X_first", color="cell_type")
    assert adata.uns["cell_type_colors"] == list(COLORS[:3])


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [("default", "dark_background", COLORS_ON_DARK), ("dark_background", "default", COLORS)],
)
def test_the_default_of_the_other_style_is_replaced(first, then, expected, many):
    adata = many(16)
    adata.obs["cluster"] = pd.Categorical([f"cluster {i % 8}" for i in range(16)])
    for style in (first, then):
        with plt.style.context(style):
            ld.pl.embedding(adata, "X_first", color="cluster")
    assert adata.uns["cluster_colors"] == list(expected[:8])


def test_every_plot_of_a_column_agrees(adata):
    ax = ld.pl.embedding(adata, "X_first", color="cell_type", palette=STORED)
    overlay = ld.pl.low_umi_overlay(adata, "X_first", color="cell_type")
    assert same_color(drawn_color(ax, [0, 0]), "#333333")
    assert same_color(drawn_color(overlay, [0, 0]), "#333333")


def test_strings_and_truth_values_are_categories(adata):
    ld.pl.embedding(adata, "X_first", color="sample")
    adata.obs["low_umi"] = adata.obs["total_umi"] < 1000
    ax = ld.pl.embedding(adata, "X_first", color="low_umi")
    assert list(legend_colors(ax)) == ["False", "True"]
    assert len(adata.uns["sample_colors"]) == len(adata.uns["low_umi_colors"]) == 2


def test_one_category(adata):
    adata.obs["all"] = "the same"
    ax = ld.pl.embedding(adata, "X_first", color="all")
    assert legend_colors(ax) == {"the same": COLORS[0]}


def test_missing_labels_are_grey_underneath_and_in_the_legend(adata):
    adata.obs.loc[["cell 0", "cell 11"], "cell_type"] = None
    ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    colors = [to_hex(color) for color in ax.collections[0].get_facecolors()]
    assert colors[:2] == [MISSING] * 2
    assert MISSING not in colors[2:]
    assert legend_colors(ax) == dict(zip(TYPES, COLORS, strict=False)) | {"NA": MISSING}


def test_a_category_without_cells_keeps_its_colour_but_stays_out_of_the_legend(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.set_categories(["absent", *TYPES])
    ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    assert list(legend_colors(ax)) == TYPES
    assert len(adata.uns["cell_type_colors"]) == 4


@pytest.mark.parametrize("n_types", [8, 25, 28, 29, 60])
def test_many_categories_all_get_their_own_colour(n_types):
    colors = choose_colors(None, range(n_types)).values()
    assert len(set(colors)) == n_types
    assert not {deep_grey(), MISSING} & set(colors)


def test_many_categories_share_a_legend_of_several_columns(many):
    adata = many(50)
    adata.obs["cluster"] = pd.Categorical([f"cluster {i % 25}" for i in range(50)])
    legend = ld.pl.embedding(adata, "X_first", color="cluster").get_legend()
    assert len(legend.get_texts()) == 25
    assert legend._ncols == 2


def test_named_palettes():
    assert list(choose_colors("tab10", TYPES).values()) == [to_hex(color) for color in mpl.color_sequences["tab10"][:3]]
    ends = [to_hex(mpl.colormaps["magma"](place)) for place in (0.0, 0.5, 1.0)]
    assert list(choose_colors("magma", TYPES).values()) == ends


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        ("tab11", "there is no palette 'tab11'.*did you mean 'tab10'"),
        ({"B cell": "red"}, "no colour for 'NK cell'"),
        (["red", "blue"], "2 colours for 3 categories"),
        (["red", "blue", "no colour"], "'no colour', which is no colour"),
    ],
)
def test_palettes_that_do_not_fit(palette, message):
    with pytest.raises(ValueError, match=message):
        choose_colors(palette, TYPES)


def test_more_categories_than_eyes_can_tell_apart():
    with pytest.raises(ValueError, match="102 colours for 103 categories; give more, or a coarser column"):
        choose_colors(None, range(103))


@pytest.mark.parametrize(
    ("style", "colors", "least"), [("default", COLORS, 5.5), ("dark_background", COLORS_ON_DARK, 5.3)]
)
def test_colours_differ_for_colour_blind_eyes(style, colors, least):
    # dichromats' views of linear RGB by Machado et al. (2009), severity 1; distances in OKLab, times 100
    normal = np.eye(3)
    deuteranopia = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    protanopia = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    to_lms = np.array([[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]])
    with plt.style.context(style):
        assert list(choose_colors(None, range(28)).values()) == list(colors)
        rgb = np.array([mpl.colors.to_rgb(color) for color in [*colors, deep_grey()]])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for eyes in (normal, deuteranopia, protanopia):
        seen = np.clip(linear @ np.transpose(eyes), 0, 1)
        lab = 100 * np.cbrt(seen @ to_lms.T) @ to_lab.T
        distance = np.linalg.norm(lab[:, None] - lab, axis=-1) + np.diag(np.full(len(lab), np.inf))
        assert distance.min() > least
        assert distance[:13, :13].min() > 7.5
