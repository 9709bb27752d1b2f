"""Everything that is drawn stands out from a light and from a dark background."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb

import lowdepth as ld
from lowdepth.pl._background import deep_grey, depth_colors, is_dark

STYLES = {"default": "white", "dark_background": "black"}


def contrast(color, background):
    """Give the contrast of two colours as the Web Content Accessibility Guidelines define it."""
    luminances = []
    for rgb in (to_rgb(color), to_rgb(background)):
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
        luminances.append(np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(luminances) / min(luminances)


@pytest.mark.parametrize(
    ("settings", "dark"),
    [
        ({}, False),
        ({"axes.facecolor": "black"}, True),
        ({"axes.facecolor": "none", "figure.facecolor": "#222222"}, True),
        ({"axes.facecolor": "none", "figure.facecolor": "none"}, False),
        ({"axes.facecolor": "none", "figure.facecolor": "none", "text.color": "white"}, True),
    ],
)
def test_a_background_is_known_by_its_colour_or_by_that_of_the_text(settings, dark):
    with plt.rc_context(settings):
        assert is_dark() == dark


@pytest.mark.parametrize("style", STYLES)
class TestStyles:
    @pytest.fixture(autouse=True)
    def _in_style(self, style):
        with plt.style.context(style):
            yield
            plt.close("all")

    def test_the_cutoff_of_the_histogram(self, style, scored):
        assert contrast(ld.pl.umi_histogram(scored).lines[0].get_color(), STYLES[style]) > 4.5

    def test_the_whiskers_of_the_recovery(self, style, scored):
        (whiskers, *_) = ld.pl.label_recovery(scored).collections
        assert contrast(whiskers.get_color()[0], STYLES[style]) > 4.5

    def test_the_ways_of_thinned_cells(self, style, scored):
        ways = ld.pl.thinning_paths(scored, "X_first", cells=2).lines
        assert all(contrast(way.get_color(), STYLES[style]) > 4.5 for way in ways)

    def test_orientation_is_fainter_than_the_cells_on_top(self, style, scored):
        colors = ld.pl.low_umi_overlay(scored, "X_first", color="cell_type").collections[0].get_facecolors()
        assert same_color(colors[0], deep_grey())
        assert all(contrast(color, STYLES[style]) > contrast(colors[0], STYLES[style]) for color in colors[6:])


def test_every_depth_and_every_type_can_be_seen_on_black(scored):
    with plt.style.context("dark_background"):
        depth = ld.pl.embedding(scored, "X_first").collections[0]
        depth.figure.draw_without_rendering()
        cell_types = ld.pl.embedding(scored, "X_first", color="cell_type").collections[0]
        for points, least in ((depth, 2), (cell_types, 3)):
            assert min(contrast(color, "black") for color in points.get_facecolors()) > least
        # the user's own choice is shown as it is
        assert depth_colors("magma")(0.0) == plt.get_cmap("magma")(0.0)
    assert depth_colors("viridis")(0.0) == plt.get_cmap("viridis")(0.0)


def test_text_of_vector_files_is_text_on_request(scored, tmp_path):
    with plt.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "pdf.compression": 0}):
        figure = ld.pl.embedding(scored, "X_first", color="cell_type", return_fig=True)
        figure.savefig(tmp_path / "cells.svg")
        figure.savefig(tmp_path / "cells.pdf")
    assert ">NK cell</text>" in (tmp_path / "cells.svg").read_text()
    assert b"/CIDFontType2" in (tmp_path / "cells.pdf").read_bytes()  # whole letters, where the default draws shapes
