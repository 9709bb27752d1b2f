"""Plots of cells whose counts are in a dask array: the same pictures, and no count is computed."""

from __future__ import annotations

import anndata as ad
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pytest

import lowdepth as ld

PLOTS = {
    "calibration": {},
    "compare": {},
    "depth_leakage": {},
    "embedding": {"basis": "X_first", "color": "cell_type"},
    "label_recovery": {},
    "low_umi_overlay": {"basis": "X_first", "color": "cell_type"},
    "recovery_curve": {},
    "thinning_paths": {"basis": "X_first", "cells": 2},
    "training": {},
    "umi_histogram": {},
}


def picture(name, adata):
    figure = getattr(ld.pl, name)(adata, **PLOTS[name], return_fig=True)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).copy()
    plt.close(figure)
    return pixels


def unread(block):
    msg = "somebody computes the counts"
    raise AssertionError(msg)


def test_every_plot_is_tested_here():
    assert list(PLOTS) == ld.pl.__all__


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_picture(name, scored):
    expected = picture(name, scored)
    scored.X = da.zeros(scored.shape).map_blocks(unread, dtype=float)
    np.testing.assert_array_equal(picture(name, scored), expected)


def test_the_same_pictures_of_a_store_that_was_opened_lazily(scored, tmp_path):
    scored.write_zarr(tmp_path / "cells.zarr")
    lazy = ad.experimental.read_lazy(tmp_path / "cells.zarr")
    for name in PLOTS:
        np.testing.assert_array_equal(picture(name, lazy), picture(name, scored), err_msg=name)
