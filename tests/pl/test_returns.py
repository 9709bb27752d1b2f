"""What all plots share: what they return, when they show, and what they leave behind."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from helpers import assert_unchanged
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lowdepth as ld

PLOTS = {
    "calibration": {},
    "umi_histogram": {},
    "embedding": {"basis": "X_first", "color": "cell_type"},
    "low_umi_overlay": {"basis": "X_first", "color": "cell_type"},
    "label_recovery": {},
    "compare": {},
    "depth_leakage": {},
    "recovery_curve": {},
    "thinning_paths": {"basis": "X_first", "cells": 2},
    "training": {},
}
every_plot = pytest.mark.parametrize("name", PLOTS)


def draw(name, adata, **options):
    return getattr(ld.pl, name)(adata, **(PLOTS[name] | options))


def test_every_plot_is_tested_here():
    assert sorted(PLOTS) == ld.pl.__all__


@every_plot
def test_axes_are_returned_and_their_figure_is_the_only_one(name, scored):
    ax = draw(name, scored)
    assert isinstance(ax, Axes)
    assert [plt.figure(number) for number in plt.get_fignums()] == [ax.figure]
    plt.close(ax.figure)
    assert plt.get_fignums() == []


@every_plot
def test_return_fig_returns_the_figure(name, scored):
    figure = draw(name, scored, return_fig=True)
    assert isinstance(figure, Figure)
    plt.close(figure)
    assert plt.get_fignums() == []


@every_plot
@pytest.mark.parametrize(("show", "calls"), [(None, 0), (False, 0), (True, 1)])
def test_only_show_shows(name, show, calls, scored, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    returned = draw(name, scored, show=show)
    assert len(shown) == calls
    assert (returned is None) == bool(show)


@every_plot
def test_the_users_axes_are_drawn_on(name, scored):
    figure, (left, right) = plt.subplots(1, 2)
    assert draw(name, scored, ax=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert draw(name, scored, ax=right, return_fig=True) is figure
    assert len(plt.get_fignums()) == 1


@every_plot
def test_a_subfigure_belongs_to_its_figure(name, scored):
    figure = plt.figure(layout="constrained")
    ax = figure.subfigures(1, 2)[0].subplots()
    assert draw(name, scored, ax=ax, return_fig=True) is figure


@every_plot
def test_a_view_is_drawn_without_a_warning_and_stays_a_view(name, scored):
    view = scored[2:]
    draw(name, view)
    assert view.is_view


@pytest.mark.parametrize("name", ["embedding", "low_umi_overlay"])
class TestPanels:
    def test_a_list_of_bases_returns_a_list_of_axes(self, name, adata):
        axes = draw(name, adata, basis=["X_first", "X_second"])
        assert [ax.get_title() for ax in axes] == ["first", "second"]

    def test_a_list_of_one_returns_a_list_of_one(self, name, adata):
        assert len(draw(name, adata, basis=["X_first"])) == 1

    def test_panels_fill_rows(self, name, adata):
        axes = draw(name, adata, basis=["X_first", "X_second", "X_first"], ncols=2)
        places = [(ax.get_subplotspec().rowspan.start, ax.get_subplotspec().colspan.start) for ax in axes]
        assert places == [(0, 0), (0, 1), (1, 0)]
        assert axes[0].figure.axes == axes

    def test_the_legend_is_written_once_at_the_end_of_the_first_row(self, name, adata):
        axes = draw(name, adata, basis=["X_first", "X_second", "X_first"], ncols=2)
        assert [ax.get_legend() is not None for ax in axes] == [False, True, False]

    def test_an_array_of_axes_is_taken(self, name, adata):
        _, grid = plt.subplots(1, 2)
        assert draw(name, adata, basis=["X_first", "X_second"], ax=grid) == list(grid)

    def test_titles(self, name, adata):
        axes = draw(name, adata, basis=["X_first", "X_second"], title=["scVI", "joint embedding"])
        assert [ax.get_title() for ax in axes] == ["scVI", "joint embedding"]

    def test_cells_without_a_position_are_left_out(self, name, adata):
        adata.obsm["X_second"][[0, 3]] = float("nan")
        axes = draw(name, adata, basis=["X_first", "X_second"])
        assert [len(ax.collections[0].get_offsets()) for ax in axes] == [12, 10]

    @pytest.mark.parametrize(("n_obs", "rasterised"), [(5000, False), (5001, True)])
    def test_many_cells_are_rasterised(self, name, n_obs, rasterised, many):
        assert draw(name, many(n_obs)).collections[0].get_rasterized() == rasterised

    def test_the_users_size(self, name, adata):
        assert draw(name, adata, size=7).collections[0].get_sizes().tolist() == [7]

    def test_dots_shrink_with_the_number_of_cells(self, name, many):
        few, more = (draw(name, many(n_obs)).collections[0].get_sizes()[0] for n_obs in (1000, 3000))
        assert few == pytest.approx(3 * more)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"basis": "X_frist"}, KeyError, "did you mean 'X_first'"),
            ({"basis": []}, ValueError, "`basis` is empty"),
            ({"basis": "X_wide"}, ValueError, r"shape \(12, 3\).*ld.tl.tsne\(adata, use_rep='X_wide'\)"),
            ({"basis": "X_nowhere"}, ValueError, "gives no cell finite values"),
            ({"color": "cell_typ"}, KeyError, "did you mean 'cell_type'"),
            ({"title": ["one", "two"]}, ValueError, "2 titles for 1 panels"),
            ({"basis": ["X_first", "X_second"], "ax": "one"}, ValueError, "1 axes for 2 panels"),
            ({"ncols": 0}, ValueError, "`ncols=0`"),
            ({"size": -1}, ValueError, "`size=-1`"),
            ({"palette": ["red"]}, ValueError, "1 colours for 3 categories"),
        ],
    )
    def test_an_error_names_the_next_step_and_opens_no_figure(self, name, options, error, message, adata):
        adata.obsm["X_wide"] = adata.obsm["X_first"][:, [0, 1, 1]]
        adata.obsm["X_nowhere"] = adata.obsm["X_first"] * float("nan")
        if "ax" in options:
            options = options | {"ax": plt.figure().subplots()}
        before = plt.get_fignums()
        with assert_unchanged(adata), pytest.raises(error, match=message):
            draw(name, adata, **options)
        assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("name", "options", "missing"),
    [
        ("umi_histogram", {}, "total_umi"),
        ("low_umi_overlay", {}, "total_umi"),
        ("embedding", {"color": None}, "log10_umi"),
    ],
)
class TestDepth:
    def test_missing(self, name, options, missing, adata):
        del adata.obs[missing]
        with assert_unchanged(adata), pytest.raises(KeyError, match=rf"{missing}.*run `ld.pp.depth_metrics\(adata\)`"):
            draw(name, adata, **options)
        assert plt.get_fignums() == []

    def test_not_finite(self, name, options, missing, adata):
        adata.obs.loc["cell 3", missing] = float("nan")
        with assert_unchanged(adata), pytest.raises(ValueError, match="holds nan, no depth; measure it again"):
            draw(name, adata, **options)
