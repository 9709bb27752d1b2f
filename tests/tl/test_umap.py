"""UMAP is scanpy's, or that of a package with the same functions, which a stand-in plays here."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scanpy as sc
from helpers import assert_unchanged, counts_adata

import lowdepth as ld


@pytest.fixture
def adata():
    adata = counts_adata(60)
    adata.obsm["X_latent"] = np.random.default_rng(0).normal(size=(60, 4))
    return adata


@pytest.fixture
def rapids(monkeypatch):
    """Stand in for rapids-singlecell: note the calls, lay cells out in a row."""
    calls = []

    def neighbors(adata, **options):
        calls.append(("neighbors", adata.obsm["X_latent"], options))

    def umap(adata, **options):
        calls.append(("umap", adata.obsm["X_latent"], options))
        adata.obsm["X_umap"] = np.arange(2.0 * adata.n_obs).reshape(-1, 2)

    package = SimpleNamespace(pp=SimpleNamespace(neighbors=neighbors), tl=SimpleNamespace(umap=umap))
    monkeypatch.setitem(sys.modules, "rapids_singlecell", package)
    return calls


def test_is_that_of_scanpy(adata):
    ld.tl.umap(adata, use_rep="X_latent", n_neighbors=5, rng=3)
    seed = int(np.random.default_rng(3).integers(2**31))
    expected = counts_adata(60)
    expected.obsm["X_latent"] = adata.obsm["X_latent"].astype(np.float32)
    sc.pp.neighbors(expected, n_neighbors=5, use_rep="X_latent", random_state=seed)
    sc.tl.umap(expected, random_state=seed)
    np.testing.assert_array_equal(adata.obsm["X_latent_umap"], expected.obsm["X_umap"])
    assert adata.uns["latent_umap"]["params"] == {
        "use_rep": "X_latent",
        "n_neighbors": 5,
        "min_dist": 0.5,
        "method": "umap",
        "rng": 3,
    }


def test_rapids_is_used_where_it_is_asked_for(adata, rapids):
    adata.obsm["X_latent"][7] = np.nan
    with pytest.warns(UserWarning, match="is not finite in 1 cells .cell 7."):
        copied = ld.tl.umap(adata, use_rep="X_latent", n_neighbors=9, min_dist=0.1, method="rapids", copy=True)
    (first, latent, searched), (second, _, laid_out) = rapids
    assert (first, second) == ("neighbors", "umap")
    np.testing.assert_array_equal(latent, np.delete(adata.obsm["X_latent"], 7, axis=0).astype(np.float32))
    assert (searched["n_neighbors"], searched["use_rep"]) == (9, "X_latent")
    assert laid_out == {"min_dist": 0.1, "random_state": searched["random_state"]}
    assert np.isnan(copied.obsm["X_latent_umap"][7]).all()
    np.testing.assert_array_equal(copied.obsm["X_latent_umap"][8], [14, 15])
    assert "X_latent_umap" not in adata.obsm


def test_rapids_is_missing(adata, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapids_singlecell", None)
    with assert_unchanged(adata), pytest.raises(ImportError, match=r"rapids-singlecell.*method='umap'"):
        ld.tl.umap(adata, use_rep="X_latent", method="rapids")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "cuml"}, ValueError, "cuml"),
        ({"n_neighbors": 60}, ValueError, "n_neighbors=60.*there are 60"),
        ({"n_neighbors": 1}, ValueError, "n_neighbors"),
        ({"use_rep": "X_none"}, KeyError, "X_none"),
    ],
)
def test_bad_input(adata, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        ld.tl.umap(adata, **{"use_rep": "X_latent", **options})
