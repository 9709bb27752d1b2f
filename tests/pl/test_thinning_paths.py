"""Paths stop by stop."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import assert_unchanged

import lowdepth as ld
from lowdepth.pl._path_data import N_NEIGHBORS, thinning_paths_data

STOP = [8, 64]
KEY = "thinning_stability"


def ways(adata, basis="X_first", cells=2):
    return thinning_paths_data(adata, basis, KEY, cells)


def test_in_the_embedding_itself_stops_lie_where_they_are(scored):
    way = ways(scored, cells=["cell 7"])
    assert way["cell"].unique().tolist() == ["cell 7"]
    assert way["umi"].tolist() == [2000, 100, 5]
    assert way[["x", "y"]].to_numpy().tolist() == [[7, 49], STOP, [0, 0]]


def test_depths_that_a_cell_does_not_reach_are_no_stops(scored):
    way = ways(scored, cells=["cell 0"])
    assert way["umi"].tolist() == [10, 5]
    assert way[["x", "y"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_elsewhere_a_stop_lies_at_the_median_of_its_nearest_cells(many):
    adata = many(600)
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((600, 3)).astype(np.float32)
    stops = rng.standard_normal((600, 1, 3)).astype(np.float32)
    adata.obsm["X_layout"] = np.where(np.arange(600)[:, None] % 5, rng.standard_normal((600, 2)), np.nan)
    adata.obsm[f"{KEY}_path"] = np.concatenate([latent[:, None], stops], axis=1)
    adata.uns[KEY] = {"params": {"depths": np.array([5.0])}}
    placed = np.flatnonzero(np.arange(600) % 5)
    way = ways(adata, "X_layout", ["cell 7"])
    nearest = placed[np.linalg.norm(latent[placed] - stops[7], axis=1).argsort()[:N_NEIGHBORS]]
    expected = [adata.obsm["X_layout"][7], np.median(adata.obsm["X_layout"][nearest], axis=0)]
    np.testing.assert_allclose(way[["x", "y"]], expected)


def test_by_default_the_deepest_cell_of_each_neighbourhood(many):
    adata = many(120)
    rng = np.random.default_rng(0)
    neighbourhood = np.arange(120) % 4
    latent = (100 * np.eye(4)[neighbourhood] + rng.standard_normal((120, 4))).astype(np.float32)
    adata.obs["total_umi"] = rng.permutation(120) + 10.0
    adata.obsm[f"{KEY}_path"] = np.stack([latent, latent], axis=1)
    adata.uns[KEY] = {"params": {"depths": np.array([5.0])}}
    deepest = {
        int(np.flatnonzero(neighbourhood == one)[adata.obs["total_umi"][neighbourhood == one].argmax()])
        for one in range(4)
    }
    chosen = ways(adata, cells=4)["cell"].unique()
    assert set(chosen) == {adata.obs_names[cell] for cell in deepest}


def test_lines_and_dots_are_the_data(scored):
    ax = ld.pl.thinning_paths(scored, "X_first", cells=["cell 7", "cell 0"])
    data = ways(scored, cells=["cell 7", "cell 0"])
    lines = {tuple(line.get_xdata()) for line in ax.lines}
    assert lines == {tuple(way["x"]) for _, way in data.groupby("cell")}
    background, stops = ax.collections
    assert len(background.get_offsets()) == scored.n_obs
    np.testing.assert_allclose(stops.get_offsets(), data[["x", "y"]])
    np.testing.assert_allclose(stops.get_array(), data["umi"])
    assert (stops.get_sizes() == stops.get_sizes().max()).tolist() == [True, False, False, True, False]


def test_a_colour_bar_of_umis(scored):
    ax = ld.pl.thinning_paths(scored, "X_first", cells=2, title="paths")
    bar = ax.figure.axes[1]
    assert bar.get_yscale() == "log"
    assert bar.get_ylabel() == "UMIs (large dot: the cell itself)"
    assert ax.get_title() == "paths"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"basis": "X_frist"}, KeyError, "did you mean 'X_first'"),
        ({"key": "stable"}, KeyError, r"run `ld.tl.thinning_stability\(adata, model\)` first"),
        ({"cells": 0}, ValueError, "`cells=0`"),
        ({"cells": ["cell 70"]}, KeyError, "there is no cell 'cell 70'"),
        ({"cells": ["cell 1"]}, ValueError, "'cell 1' has no path here"),
        ({"cmap": "viridi"}, ValueError, "did you mean 'viridis'"),
        ({"size": -1}, ValueError, "`size=-1`"),
        ({"basis": "X_wide"}, ValueError, "a panel shows two dimensions"),
    ],
)
def test_bad_options_open_no_figure(scored, options, error, match):
    scored.obsm["X_wide"] = scored.obsm["X_first"][:, [0, 1, 1]]
    with assert_unchanged(scored), pytest.raises(error, match=match):
        ld.pl.thinning_paths(scored, **{"basis": "X_first", **options})
    assert plt.get_fignums() == []


def test_no_path_at_all(scored):
    scored.obsm[f"{KEY}_path"][:, 1:] = np.nan
    with assert_unchanged(scored), pytest.raises(ValueError, match="no path was followed"):
        ld.pl.thinning_paths(scored, "X_first")
