"""Two folds that add up to the counts, and are independent where they should be."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from anndata import AnnData
from helpers import CONTAINERS, SLOTS, assert_same, assert_unchanged, counts_adata, dense

import lowdepth as ld

N_OBS = 50_000
ALPHA = np.array([0.0, 0.3, 1.0, 3.0])


def overdispersed_adata():
    """Many cells of one kind, four genes of mean 8 and growing overdispersion."""
    rng = np.random.default_rng(0)
    rates = np.column_stack([np.full(N_OBS, 8.0), *(rng.gamma(1 / a, 8 * a, N_OBS) for a in ALPHA[1:])])
    adata = AnnData(rng.poisson(rates).astype(np.int32))
    adata.var["alpha"] = ALPHA
    return adata


def fold_correlations(adata):
    folds = zip(adata.layers["split_a"].T, adata.layers["split_b"].T, strict=True)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in folds])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("container", CONTAINERS)
def test_folds_add_up(container, dtype):
    counts = counts_adata().X.toarray().astype(dtype)
    adata = AnnData(CONTAINERS[container](counts))
    kind = type(adata.X)
    ld.pp.split_counts(adata, 0.3, rng=0)
    a, b = adata.layers["split_a"], adata.layers["split_b"]
    np.testing.assert_array_equal(dense(a) + dense(b), counts)
    np.testing.assert_array_equal(dense(adata.X), counts)
    for fold in (a, b):
        assert (type(fold), fold.dtype) == (kind, dtype)
        assert dense(fold).min() == 0
        assert container == "ndarray" or (fold.data != 0).all()


def test_the_first_fold_has_its_share():
    adata = counts_adata(200, 100)
    total = adata.X.sum()
    for fraction in (0.1, 0.5, 0.8):
        ld.pp.split_counts(adata, fraction, rng=0)
        error = np.sqrt(total * fraction * (1 - fraction))
        assert abs(adata.layers["split_a"].sum() - fraction * total) < 5 * error


def test_folds_are_independent_with_the_right_overdispersion():
    adata = overdispersed_adata()
    ld.pp.split_counts(adata, 0.4, overdispersion="alpha", rng=0)
    # standard error of a correlation of independent counts: 0.0045; four genes at five of them
    assert (np.abs(fold_correlations(adata)) < 5 / np.sqrt(N_OBS)).all()


def test_folds_are_negative_binomial_with_the_right_overdispersion():
    adata = overdispersed_adata()
    ld.pp.split_counts(adata, 0.4, overdispersion="alpha", rng=0)
    # the size 1 / alpha is shared out, so the variance is 3.2 + (alpha / 0.4) * 3.2 ** 2; a 10 % error would show
    variance = 3.2 + ALPHA / 0.4 * 3.2**2
    np.testing.assert_allclose(adata.layers["split_a"].var(0), variance, rtol=0.1)


def test_folds_are_correlated_without_it():
    adata = overdispersed_adata()
    ld.pp.split_counts(adata, 0.4, rng=0)
    correlations = fold_correlations(adata)
    assert abs(correlations[0]) < 5 / np.sqrt(N_OBS)
    # covariance p(1 - p) alpha mu**2 over variances p mu + alpha (p mu)**2 and its mirror image
    a, b = 3.2 + ALPHA * 3.2**2, 4.8 + ALPHA * 4.8**2
    np.testing.assert_allclose(correlations, ALPHA * 3.2 * 4.8 / np.sqrt(a * b), atol=0.03)
    assert (correlations[1:] > 0.4).all()


@pytest.mark.parametrize("overdispersion", ["alpha", [0.5] * 40, np.full(40, 0.5)], ids=["var column", "list", "array"])
def test_forms_of_the_overdispersion(overdispersion):
    adata = counts_adata()
    adata.var["alpha"] = 0.5
    expected = ld.pp.split_counts(adata, overdispersion=np.full(40, 0.5), rng=0, copy=True)
    ld.pp.split_counts(adata, overdispersion=overdispersion, rng=0)
    assert_same(expected.layers, adata.layers)
    plain = ld.pp.split_counts(adata, rng=0, copy=True)
    assert (dense(plain.layers["split_a"]) != dense(adata.layers["split_a"])).any()


def test_names_layer_and_other_slots():
    adata = counts_adata()
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X / 2
    before = adata.copy()
    assert ld.pp.split_counts(adata, layer="counts", keys_added=("train", "test"), rng=0) is None
    assert set(adata.layers) == {None, "counts", "train", "test"}
    np.testing.assert_array_equal(
        dense(adata.layers["train"]) + dense(adata.layers["test"]), dense(adata.layers["counts"])
    )
    assert adata.uns.pop("split_counts")["params"]["keys_added"].tolist() == ["train", "test"]
    for slot in set(SLOTS) - {"layers"}:
        assert_same(getattr(before, slot), getattr(adata, slot), slot)
    assert_same(before.layers["counts"], adata.layers["counts"])


def test_copy():
    adata = counts_adata()
    with assert_unchanged(adata):
        changed = ld.pp.split_counts(adata, rng=0, copy=True)
    ld.pp.split_counts(adata, rng=0)
    for slot in SLOTS:
        assert_same(getattr(adata, slot), getattr(changed, slot), slot)


def test_dask():
    adata = counts_adata()
    expected = ld.pp.split_counts(adata, rng=0, copy=True)
    adata.X = da.from_array(adata.X, chunks=(7, 13))
    ld.pp.split_counts(adata, rng=0)
    for key in ("split_a", "split_b"):
        assert isinstance(adata.layers[key], da.Array)
        np.testing.assert_array_equal(dense(adata.layers[key]), dense(expected.layers[key]))


def test_folds_stay_independent_after_thinning_with_the_same_seed():
    adata = AnnData(np.random.default_rng(0).poisson(10.0, (N_OBS, 2)).astype(np.int32))
    total = adata.X.sum(1)
    ld.pp.thin_to_depth(adata, np.maximum(total, 1) / 2, rng=0)
    ld.pp.split_counts(adata, rng=0)
    assert abs(adata.layers["split_a"].sum() - adata.X.sum() / 2) < 5 * np.sqrt(adata.X.sum() / 4)
    assert (np.abs(fold_correlations(adata)) < 5 / np.sqrt(N_OBS)).all()
