"""Thinning an AnnData to a depth."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from helpers import CONTAINERS, SLOTS, assert_same, assert_unchanged, counts_adata, dense
from scipy import stats

import lowdepth as ld


@pytest.fixture
def adata():
    return counts_adata()


def depths(counts):
    return dense(counts).sum(1)


def test_cells_reach_the_target_on_average():
    adata = counts_adata(400, 200, depth=2000)
    total = depths(adata.X)
    ld.pp.thin_to_depth(adata, 100, rng=0)
    p = 100 / total
    # each depth is Binomial(total, p); the sum of 400 within five standard errors
    assert abs(depths(adata.X).sum() - 400 * 100) < 5 * np.sqrt((100 * (1 - p)).sum())
    # and each one on its own: distribution functions, randomised within their steps, are uniform (KS at 1e-6)
    law, left = stats.binom(total, p), depths(adata.X)
    place = law.cdf(left - 1) + law.pmf(left) * np.random.default_rng(1).uniform(size=400)
    assert stats.kstest(place, "uniform").pvalue > 1e-6


def test_cells_at_or_below_target_stay(adata):
    before = adata.X.toarray()
    target = int(np.median(depths(adata.X)))
    adata.obs["target"] = np.where(np.arange(60) % 2, depths(adata.X), target)
    ld.pp.thin_to_depth(adata, "target", rng=0)
    stays = (np.arange(60) % 2 == 1) | (before.sum(1) <= target)
    np.testing.assert_array_equal(adata.X.toarray()[stays], before[stays])
    assert (depths(adata.X)[~stays] < before.sum(1)[~stays]).mean() > 0.9


@pytest.mark.parametrize(
    "target",
    [50, 50.0, np.float32(50), np.full(60, 50), [50] * 60, pd.Series(50, index=range(60)), "target"],
    ids=["int", "float", "numpy scalar", "array", "list", "Series", "obs column"],
)
def test_forms_of_the_target(adata, target):
    adata.obs["target"] = 50
    expected = ld.pp.thin_to_depth(adata, 50, rng=3, copy=True)
    ld.pp.thin_to_depth(adata, target, rng=3)
    assert_same(expected.X, adata.X)


def test_each_cell_has_its_own_target(adata):
    target = np.linspace(10, 80, 60)
    ld.pp.thin_to_depth(adata, target, rng=0)
    # 60 binomials at six standard deviations each
    assert (np.abs(depths(adata.X) - target) < 6 * np.sqrt(target)).all()


@pytest.mark.parametrize(
    ("layer", "key_added", "written"),
    [(None, None, None), ("counts", None, "counts"), (None, "thin", "thin"), ("counts", "thin", "thin")],
)
def test_only_the_named_matrix_changes(adata, layer, key_added, written):
    adata.layers["counts"] = adata.X.copy()
    adata.layers["other"] = adata.X.copy()
    before = adata.copy()
    assert ld.pp.thin_to_depth(adata, 30, layer=layer, key_added=key_added, rng=0) is None

    expected = ld.pp.thin_to_depth(counts_adata(), 30, rng=0, copy=True).X
    assert_same(expected, adata.layers[written])
    assert adata.uns.pop("thin_to_depth")["params"]["target_depth"] == 30
    for slot in SLOTS[2:]:
        assert_same(getattr(before, slot), getattr(adata, slot), slot)
    for name in {None, "counts", "other"} - {written}:
        assert_same(before.layers[name], adata.layers[name])
    assert set(adata.layers) == {None, "counts", "other", written}


def test_copy(adata):
    with assert_unchanged(adata):
        changed = ld.pp.thin_to_depth(adata, 30, rng=0, copy=True)
    ld.pp.thin_to_depth(adata, 30, rng=0)
    for slot in SLOTS:
        assert_same(getattr(adata, slot), getattr(changed, slot), slot)


def test_view_is_materialised_with_a_warning(adata):
    view = adata[::2, 5:]
    expected = ld.pp.thin_to_depth(view.copy(), 30, rng=0, copy=True)
    with assert_unchanged(adata), pytest.warns(UserWarning, match="Received a view of an AnnData") as caught:
        ld.pp.thin_to_depth(view, 30, rng=0)
    assert caught[0].filename == __file__
    assert not view.is_view
    assert_same(expected.X, view.X)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_same_draw_and_type_for_all_containers(container, dtype):
    adata = counts_adata(dtype=dtype)
    expected = ld.pp.thin_to_depth(adata, 30, rng=0, copy=True).X.toarray()
    adata.X = CONTAINERS[container](adata.X.toarray())
    kind = type(adata.X)
    ld.pp.thin_to_depth(adata, 30, rng=0)
    assert (type(adata.X), adata.X.dtype) == (kind, dtype)
    np.testing.assert_array_equal(dense(adata.X), expected)


@pytest.mark.parametrize("container", ["ndarray", "csr_matrix", "csr_array"])
def test_dask_stays_lazy_and_gives_the_same_draw(container):
    adata = counts_adata()
    expected = ld.pp.thin_to_depth(adata, 30, rng=0, copy=True).X.toarray()
    adata.X = da.from_array(CONTAINERS[container](adata.X.toarray()), chunks=(7, 13))
    ld.pp.thin_to_depth(adata, 30, rng=0)
    assert isinstance(adata.X, da.Array)
    np.testing.assert_array_equal(dense(adata.X), expected)


def test_seeds(adata):
    def thin(rng):
        return dense(ld.pp.thin_to_depth(adata, 30, rng=rng, copy=True).X)

    np.testing.assert_array_equal(thin(1), thin(1))
    assert (thin(1) != thin(2)).any()
    assert (thin(None) != thin(None)).any()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(thin(generator), thin(1))
    assert (thin(generator) != thin(1)).any()


def test_thinning_twice_with_one_seed_is_thinning_twice():
    adata = counts_adata(300, 100, depth=1000)
    adata.X = adata.X.minimum(1)  # the same numbers met twice would keep all single UMIs the second time
    total = depths(adata.X)
    ld.pp.thin_to_depth(adata, total / 2, rng=0)
    ld.pp.thin_to_depth(adata, depths(adata.X) / 2, rng=0)
    assert abs(adata.X.sum() - total.sum() / 4) < 5 * np.sqrt(total.sum() * 3 / 16)


def test_cells_without_umis_stay_empty(adata):
    adata.X = adata.X.multiply(np.arange(60)[:, None] != 3).tocsr()
    ld.pp.thin_to_depth(adata, 30, rng=0)
    assert depths(adata.X)[3] == 0


def test_one_cell_one_gene():
    adata = counts_adata(1, 1)
    ld.pp.thin_to_depth(adata, 5, rng=0)
    assert adata.shape == (1, 1)
    assert 0 <= adata.X.sum() < 200


def test_duplicate_names_are_no_hindrance(adata):
    expected = ld.pp.thin_to_depth(adata, 30, rng=0, copy=True)
    adata.obs_names = ["cell"] * 60
    adata.var_names = ["gene"] * 40
    ld.pp.thin_to_depth(adata, 30, rng=0)
    assert_same(expected.X, adata.X)


@pytest.mark.parametrize("container", CONTAINERS)
def test_view_types_do_not_live_on(adata, container):
    adata.X = CONTAINERS[container](adata.X.toarray())
    changed = ld.pp.thin_to_depth(adata[5:], 30, rng=0, copy=True)
    assert type(changed.X) is type(adata.X)
    ld.pp.split_counts(changed, rng=0)
    parts = ld.pp.split_counts(adata[5:], rng=0, copy=True)
    assert type(parts.layers["split_b"]) is type(changed.layers["split_b"]) is type(adata.X)


def test_depths_are_those_of_the_thinned_counts(adata):
    ld.pp.depth_metrics(adata, low_umi=150, ambient_profile=dense(adata.X).sum(0))
    elsewhere = adata.copy()
    ld.pp.thin_to_depth(elsewhere, 50, key_added="shallow", rng=0)
    pd.testing.assert_frame_equal(elsewhere.obs, adata.obs)
    ld.pp.thin_to_depth(adata, 50, rng=0)
    expected = adata.copy()
    ld.pp.depth_metrics(expected, low_umi=150)
    assert adata.obs["total_umi"].max() < 100
    pd.testing.assert_frame_equal(adata.obs, expected.obs)
    assert "max_ambient_share" not in adata.obs


def test_a_series_is_taken_by_the_cells_names(adata):
    target = pd.Series(np.linspace(10, 100, adata.n_obs), adata.obs_names)
    other = adata.copy()
    ld.pp.thin_to_depth(adata, target.to_numpy(), rng=0)
    ld.pp.thin_to_depth(other, target.sample(frac=1, random_state=0), rng=0)
    np.testing.assert_array_equal(dense(other.X), dense(adata.X))


@pytest.mark.parametrize("name", ["", 3])
def test_a_name_is_a_string_that_is_not_empty(adata, name):
    with assert_unchanged(adata), pytest.raises(ValueError, match=rf"{name!r} cannot be the name of a result"):
        ld.pp.thin_to_depth(adata, 50, key_added=name)


@pytest.mark.parametrize("rng", [np.random.RandomState(0), [0, 1]], ids=["RandomState", "list"])
def test_what_numpy_takes_as_a_seed_is_taken_and_not_recorded(adata, rng):
    ld.pp.thin_to_depth(adata, 50, rng=rng)
    assert "rng" not in adata.uns["thin_to_depth"]["params"]
