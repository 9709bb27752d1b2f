"""Depths against scanpy's own, and the floor."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from helpers import CONTAINERS, SLOTS, assert_same, assert_unchanged, counts_adata, dense

import lowdepth as ld
from lowdepth._ambient import _largest_share, largest_share

OBS_KEYS = ["total_umi", "log10_umi", "n_genes", "low_umi"]


@pytest.fixture
def adata():
    return counts_adata()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_metrics_are_scanpys(adata, container, dtype):
    adata.X = CONTAINERS[container](adata.X.toarray().astype(dtype))
    reference = counts_adata()
    reference.X = dense(adata.X).astype(np.float64)
    sc.pp.calculate_qc_metrics(reference, inplace=True, percent_top=None)

    assert ld.pp.depth_metrics(adata, low_umi=200) is None
    np.testing.assert_array_equal(adata.obs["total_umi"], reference.obs["total_counts"])
    np.testing.assert_allclose(adata.obs["log10_umi"], reference.obs["log1p_total_counts"] / np.log(10))
    np.testing.assert_array_equal(adata.obs["n_genes"], reference.obs["n_genes_by_counts"])
    np.testing.assert_array_equal(adata.obs["low_umi"], reference.obs["total_counts"] < 200)
    assert adata.obs.dtypes[OBS_KEYS].tolist() == [np.float64, np.float64, np.int64, bool]


def test_big_depths_are_exact(adata):
    # 2**24 + 1 is no float32, and 255 + 255 is no uint8
    adata.X = np.zeros((60, 40), np.float32)
    adata.X[:, 0], adata.X[:, 1] = 2**24, 1
    adata.layers["bytes"] = np.full((60, 40), 255, np.uint8)
    ld.pp.depth_metrics(adata)
    assert (adata.obs["total_umi"] == 2**24 + 1).all()
    ld.pp.depth_metrics(adata, layer="bytes")
    assert (adata.obs["total_umi"] == 255 * 40).all()


def test_stored_zeros_are_no_genes(adata):
    adata.X.data[::2] = 0
    ld.pp.depth_metrics(adata)
    np.testing.assert_array_equal(adata.obs["n_genes"], (adata.X.toarray() > 0).sum(1))


def test_the_cutoff_itself_is_deep(adata):
    total = dense(adata.X).sum(1)
    ld.pp.depth_metrics(adata, low_umi=total[5])
    assert not adata.obs["low_umi"].iloc[5]
    ld.pp.depth_metrics(adata, low_umi=total[5] + 1)
    assert adata.obs["low_umi"].iloc[5]


def test_metrics_write_nothing_else(adata):
    adata.layers["counts"] = adata.X.copy()
    before = adata.copy()
    ld.pp.depth_metrics(adata, layer="counts", low_umi=300)
    assert adata.uns.pop("depth_metrics") == {"params": {"low_umi": 300, "layer": "counts"}}
    assert list(adata.obs) == ["cell_type", "batch", *OBS_KEYS]
    adata.obs = adata.obs[["cell_type", "batch"]]
    for slot in SLOTS:
        assert_same(getattr(before, slot), getattr(adata, slot), slot)


@pytest.mark.parametrize("function", [ld.pp.depth_metrics, ld.pp.filter_low_umi])
def test_copy(adata, function):
    with assert_unchanged(adata):
        changed = function(adata, copy=True)
    function(adata)
    for slot in SLOTS:
        assert_same(getattr(adata, slot), getattr(changed, slot), slot)


@pytest.mark.parametrize("function", [ld.pp.depth_metrics, ld.pp.filter_low_umi])
def test_dask(adata, function):
    expected = function(adata, copy=True)
    adata.X = da.from_array(adata.X, chunks=(7, 13))
    function(adata)
    assert isinstance(adata.X, da.Array)
    assert_same(expected.obs, adata.obs)


@pytest.mark.parametrize("function", [ld.pp.depth_metrics, ld.pp.filter_low_umi])
def test_view_is_materialised_with_a_warning(adata, function):
    view = adata[::2]
    with assert_unchanged(adata), pytest.warns(UserWarning, match="Received a view of an AnnData"):
        function(view)
    assert not view.is_view


def test_filter_keeps_the_floor_and_drops_below(adata):
    total = dense(adata.X).sum(1)
    floor = np.sort(total)[30]
    before = adata.copy()
    assert ld.pp.filter_low_umi(adata, floor) is None

    kept = total >= floor
    assert 0 < kept.sum() < 60
    expected = before[kept].copy()
    assert adata.obs_names.tolist() == expected.obs_names.tolist()
    assert adata.obs["total_umi"].min() == floor
    np.testing.assert_array_equal(adata.obs["log10_umi"], np.log10(total[kept] + 1))
    for slot in ("X", "layers", "var", "obsm", "uns"):
        assert_same(getattr(expected, slot), getattr(adata, slot), slot)


def test_filter_by_layer(adata):
    adata.layers["counts"] = adata.X * 10
    ld.pp.filter_low_umi(adata, dense(adata.X).sum(1).max() + 1, layer="counts")
    assert adata.n_obs > 0
    np.testing.assert_array_equal(adata.obs["total_umi"], 10 * dense(adata.X).sum(1))


def test_a_floor_of_zero_drops_nothing(adata):
    adata.X = adata.X.multiply(np.arange(60)[:, None] != 3).tocsr()
    ld.pp.filter_low_umi(adata, 0)
    assert adata.n_obs == 60
    assert adata.obs["total_umi"].iloc[3] == 0


@pytest.mark.parametrize("container", CONTAINERS)
def test_ambient_rna_at_most(adata, container):
    empty = counts_adata()
    empty.X = empty.X[:, ::-1].copy()
    profile = dense(empty.X).sum(0)
    adata.X = CONTAINERS[container](adata.X.toarray())
    ld.pp.depth_metrics(adata, ambient_profile=empty)
    share = adata.obs["max_ambient_share"].to_numpy()
    np.testing.assert_array_equal(share, largest_share(dense(adata.X), profile))
    assert len(np.unique(share)) > 5
    adata.X = da.from_array(dense(adata.X), chunks=(7, 13))
    ld.pp.depth_metrics(adata, ambient_profile=pd.Series(profile, adata.var_names)[::-1])
    np.testing.assert_array_equal(adata.obs["max_ambient_share"], share)


def test_counts_in_two_places_have_the_ambient_rna_of_their_sum(adata):
    profile = dense(adata.X).sum(0)[::-1]
    whole, halves = adata.copy(), adata.copy()
    whole.X = (2 * adata.X).tocsr()
    parts = sp.hstack([adata.X, adata.X]).tocsr()
    halves.X = sp.csr_matrix((parts.data, parts.indices % adata.n_vars, parts.indptr), adata.shape)
    for cells in (whole, halves):
        ld.pp.depth_metrics(cells, ambient_profile=profile)
    assert halves.X.nnz == 2 * whole.X.nnz
    np.testing.assert_array_equal(halves.obs["max_ambient_share"], whole.obs["max_ambient_share"])


def test_the_bound_is_made_ready_once_for_all_blocks(adata, monkeypatch):
    made = []
    ready = _largest_share._least_ambient
    monkeypatch.setattr(_largest_share, "_least_ambient", lambda *args: made.append(args) or ready(*args))
    profile = dense(adata.X).sum(0)[::-1]
    adata.X = da.from_array(dense(adata.X), chunks=(7, 13))
    ld.pp.depth_metrics(adata, ambient_profile=profile)
    assert len(made) == 1


def test_a_profile_that_does_not_fit_changes_nothing(adata):
    with assert_unchanged(adata), pytest.raises(ValueError, match="`ambient_profile` has shape"):
        ld.pp.depth_metrics(adata, ambient_profile=[1, 2, 3])
