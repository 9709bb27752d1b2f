"""The tutorial's recipe for shallow cells."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from helpers import SLOTS, assert_same, assert_unchanged, counts_adata, dense
from scipy import stats

import lowdepth as ld


def deep_adata(n_obs=600):
    return counts_adata(n_obs, 50, depth=1e6, dtype=np.int32)


def test_law_of_the_factors():
    # of a million UMIs the share that is left is the factor itself to 1 % or better
    adata = deep_adata()
    before = dense(adata.X).sum(1)
    ld.pp.emulate_low_depth(adata, min_umi=0, rng=0)
    log10_factor = np.log10(adata.obs["total_umi"].to_numpy() / before)
    below_one = log10_factor[log10_factor < 0]
    # Normal(-1, 1) cut at zero: the part below it is a truncated normal (KS at 1e-6) ...
    assert stats.kstest(below_one, stats.truncnorm(-np.inf, 1, loc=-1, scale=1).cdf).pvalue > 1e-6
    # ... and one cell in six keeps its depth (binomial, at 1e-6)
    n_kept = len(log10_factor) - len(below_one)
    assert stats.binomtest(n_kept, len(log10_factor), stats.norm.sf(1)).pvalue > 1e-6


def test_mean_and_spread_are_the_users():
    adata = deep_adata(200)
    before = dense(adata.X).sum(1)
    ld.pp.emulate_low_depth(adata, log10_mean=-2, log10_sd=0, min_umi=0, rng=0)
    factor = adata.obs["total_umi"] / before
    assert (np.abs(factor - 0.01) < 6 * np.sqrt(0.01 / before)).all()
    ld.pp.emulate_low_depth(adata, log10_mean=3, log10_sd=1, min_umi=0, rng=0)
    np.testing.assert_allclose(adata.obs["total_umi"] / before, factor)


def test_shallow_cells_are_dropped_from_every_slot():
    adata = counts_adata(200, 50, depth=500)
    adata.layers["counts"] = adata.X.copy()
    adata.obsp["distances"] = np.arange(200.0)[:, None] - np.arange(200.0)
    before = adata.copy()
    assert ld.pp.emulate_low_depth(adata, min_umi=30, rng=1) is None

    assert 0 < adata.n_obs < 200
    assert (adata.obs["total_umi"] >= 30).all()
    np.testing.assert_array_equal(adata.obs["total_umi"], dense(adata.X).sum(1))
    np.testing.assert_array_equal(adata.obs["log10_umi"], np.log10(adata.obs["total_umi"] + 1))
    # all else is what it was, of the cells that are left
    same = before[adata.obs_names].copy()
    for slot in ("obsm", "varm", "obsp", "varp", "var"):
        assert_same(getattr(same, slot), getattr(adata, slot), slot)
    assert_same(same.layers["counts"], adata.layers["counts"])
    assert_same(same.obs, adata.obs[["cell_type", "batch"]])
    assert (dense(adata.X) <= dense(same.X)).all()
    # and what is gone was below the floor
    unfloored = ld.pp.emulate_low_depth(before, min_umi=0, rng=1, copy=True)
    assert unfloored.obs_names[unfloored.obs["total_umi"] >= 30].tolist() == adata.obs_names.tolist()


def test_record():
    adata = counts_adata(100)
    ld.pp.emulate_low_depth(adata, log10_mean=-0.5, rng=4)
    record = adata.uns["emulate_low_depth"]
    assert record["params"] == {"log10_mean": -0.5, "log10_sd": 1.0, "min_umi": 20, "rng": 4}
    assert (record["n_obs_before"], record["n_obs_after"]) == (100, adata.n_obs)
    assert adata.uns["record"] == {"params": {"n": 1}}


def test_a_generator_is_not_recorded():
    adata = counts_adata(100)
    adata.layers["counts"] = adata.X.copy()
    ld.pp.emulate_low_depth(adata, layer="counts", rng=np.random.default_rng(0))
    assert adata.uns["emulate_low_depth"]["params"].get("layer") == "counts"
    assert "rng" not in adata.uns["emulate_low_depth"]["params"]


def test_only_the_layer_is_thinned():
    adata = counts_adata(100)
    adata.layers["counts"] = adata.X.copy()
    before = adata.copy()
    ld.pp.emulate_low_depth(adata, layer="counts", rng=0)
    same = before[adata.obs_names].copy()
    assert_same(same.X, adata.X)
    assert dense(adata.layers["counts"]).sum() < dense(same.X).sum()


def test_copy():
    adata = counts_adata(100)
    with assert_unchanged(adata):
        changed = ld.pp.emulate_low_depth(adata, rng=0, copy=True)
    ld.pp.emulate_low_depth(adata, rng=0)
    for slot in SLOTS:
        assert_same(getattr(adata, slot), getattr(changed, slot), slot)


def test_seeds():
    def left(rng):
        return ld.pp.emulate_low_depth(counts_adata(100), rng=rng, copy=True).obs["total_umi"].tolist()

    assert left(0) == left(0)
    assert left(0) != left(1)
    assert left(None) != left(None)


def test_view_is_materialised_with_a_warning():
    adata = counts_adata(100)
    view = adata[:80]
    with assert_unchanged(adata), pytest.warns(UserWarning, match="Received a view of an AnnData"):
        ld.pp.emulate_low_depth(view, rng=0)
    assert not view.is_view
    assert view.n_obs < 80


def test_dask():
    adata = counts_adata(100)
    expected = ld.pp.emulate_low_depth(adata, rng=0, copy=True)
    adata.X = da.from_array(adata.X, chunks=(9, 40))
    ld.pp.emulate_low_depth(adata, rng=0)
    assert isinstance(adata.X, da.Array)
    np.testing.assert_array_equal(dense(adata.X), dense(expected.X))
    assert_same(expected.obs, adata.obs)


def test_what_was_measured_before_is_measured_again():
    adata = counts_adata(200)
    ld.pp.depth_metrics(adata, low_umi=100)
    ld.pp.emulate_low_depth(adata, rng=0)
    expected = adata.copy()
    ld.pp.depth_metrics(expected, low_umi=100)
    assert adata.n_obs < 200
    pd.testing.assert_frame_equal(adata.obs, expected.obs)
