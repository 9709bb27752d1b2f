"""Cells by depth and by label."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

import lowdepth as ld
from lowdepth.pl._embedding import _embedding_data
from lowdepth.pl._palette import COLORS, MISSING


def test_data_holds_every_cell_of_every_panel(adata):
    data = _embedding_data(adata, ["X_first", "X_second"], "cell_type")
    assert len(data) == 2 * adata.n_obs
    for panel, key in enumerate(["X_first", "X_second"]):
        cells = data[data["panel"] == panel].loc[adata.obs_names]
        np.testing.assert_array_equal(cells[["x", "y"]], adata.obsm[key])
        assert cells["value"].tolist() == adata.obs["cell_type"].tolist()


def test_cells_are_shuffled_the_same_way_each_time(adata):
    once, again = (_embedding_data(adata, ["X_first"], "cell_type") for _ in range(2))
    assert once.index.tolist() == again.index.tolist() != adata.obs_names.tolist()


def test_global_random_state_is_left_alone(adata):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ld.pl.embedding(adata, "X_first")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_labels_colour_each_cell(adata):
    ax = ld.pl.embedding(adata, "X_first", color="cell_type")
    cells = ax.collections[0]
    colors = dict(zip(["B cell", "NK cell", "T cell"], COLORS, strict=False))
    for (x, _), color in zip(cells.get_offsets(), cells.get_facecolors(), strict=True):
        assert same_color(color, colors[adata.obs["cell_type"].iloc[int(x)]])
    assert ax.get_legend().get_title().get_text() == "cell_type"


def test_depth_is_the_default(adata):
    ax = ld.pl.embedding(adata, "X_first")
    cells = ax.collections[0]
    np.testing.assert_allclose(
        cells.get_array(), adata.obs["log10_umi"].to_numpy()[cells.get_offsets()[:, 0].astype(int)]
    )
    assert cells.get_cmap().name == "viridis"
    assert cells.get_clim() == (pytest.approx(np.log10(11)), pytest.approx(np.log10(6001)))
    assert cells.colorbar.ax.get_ylabel() == "log10(UMI + 1)"
    assert adata.uns == {}


def test_panels_share_one_scale_and_one_colour_bar(adata):
    adata.obsm["X_second"][-1] = np.nan
    first, second = ld.pl.embedding(adata, ["X_first", "X_second"])
    assert first.collections[0].norm is second.collections[0].norm
    assert first.collections[0].get_clim()[1] == pytest.approx(np.log10(6001))
    assert len(first.figure.axes) == 3


def test_panels_share_one_palette_and_one_legend(adata):
    adata.obsm["X_second"][adata.obs["cell_type"] == "B cell"] = np.nan
    first, second = ld.pl.embedding(adata, ["X_first", "X_second"], color="cell_type")
    assert first.get_legend() is None
    assert [text.get_text() for text in second.get_legend().get_texts()] == ["B cell", "NK cell", "T cell"]
    assert not any(same_color(color, COLORS[0]) for color in second.collections[0].get_facecolors())


def test_other_numbers_have_their_own_label_and_map(adata):
    ax = ld.pl.embedding(adata, "X_first", color="total_umi", cmap="magma")
    assert ax.collections[0].get_cmap().name == "magma"
    assert ax.collections[0].colorbar.ax.get_ylabel() == "total_umi"


@pytest.mark.parametrize("missing", [np.nan, np.inf, pd.NA], ids=str)
def test_missing_numbers_are_grey_underneath_and_do_not_stretch_the_scale(missing, adata):
    adata.obs["score"] = pd.array([missing, *range(11)], dtype="Float64")
    ax = ld.pl.embedding(adata, "X_first", color="score")
    cells = ax.collections[0]
    assert cells.get_clim() == (0, 10)
    assert cells.get_offsets()[0].tolist() == [0, 0]
    ax.figure.canvas.draw()
    assert same_color(cells.get_facecolors()[0], MISSING)


def test_no_number_at_all(adata):
    adata.obs["score"] = np.nan
    with pytest.raises(ValueError, match=r"'score'.*holds no finite number"):
        ld.pl.embedding(adata, "X_first", color="score")


def test_no_label_at_all(adata):
    adata.obs["nothing"] = pd.Categorical([None] * adata.n_obs, categories=["a"])
    with pytest.raises(ValueError, match="holds no label"):
        ld.pl.embedding(adata, "X_first", color="nothing")


def test_a_colour_map_that_does_not_exist(adata):
    with pytest.raises(ValueError, match=r"'viridos'.*did you mean 'viridis'"):
        ld.pl.embedding(adata, "X_first", cmap="viridos")


def test_panels_are_square_and_without_ticks(adata):
    ax = ld.pl.embedding(adata, "X_first")
    assert ax.get_box_aspect() == 1
    assert list(ax.get_xticks()) == list(ax.get_yticks()) == []


@pytest.mark.parametrize("n_panels", [1, 2, 3])
@pytest.mark.parametrize("color", [None, "cell_type", "long"])
def test_nothing_is_cut_off_and_panels_keep_their_size(color, n_panels, adata):
    adata.obs["long"] = "CD8+ effector memory T cells, CD45RA re-expressing"
    figure = ld.pl.embedding(adata, ["X_first"] * n_panels, color=color, return_fig=True)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= figure.get_figwidth() + 0.05
    assert figure.axes[0].get_window_extent().width / figure.dpi > 2.8


def test_names_too_long_for_one_line_are_broken(adata):
    adata.obs["long"] = "CD8+ effector memory T cells, CD45RA re-expressing"
    (text,) = ld.pl.embedding(adata, "X_first", color="long").get_legend().get_texts()
    assert text.get_text().count("\n") == 1


def test_style_is_left_alone(adata):
    before = dict(mpl.rcParams)
    ld.pl.embedding(adata, "X_first", color="cell_type")
    assert dict(mpl.rcParams) == before
