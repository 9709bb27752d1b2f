"""t-SNE from an exact PCA, on finite cells, without warnings."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_unchanged, counts_adata
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

import lowdepth as ld
from lowdepth.tl._tsne import _start


@pytest.fixture
def adata():
    adata = counts_adata(90)
    adata.obsm["X_latent"] = np.log1p(adata.X[:, :8].toarray())
    return adata


def test_starts_from_the_exact_principal_components(adata):
    latent = adata.obsm["X_latent"]
    components = PCA(2, svd_solver="full").fit_transform(latent.astype(float))
    start = _start(latent, np.random.default_rng(0))
    assert start[:, 0].std() == pytest.approx(1e-4, rel=1e-4)
    # a principal component has no sign of its own
    for ours, exact in zip(start.T, components.T, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(exact) * 1e-4 / components[:, 0].std(), rtol=1e-3, atol=1e-9)


def test_neighbours_stay_neighbours(adata):
    ld.tl.tsne(adata, use_rep="X_latent", perplexity=10, rng=0)
    assert trustworthiness(adata.obsm["X_latent"], adata.obsm["X_latent_tsne"], n_neighbors=5) > 0.85


def test_same_seed_same_layout(adata):
    layouts = []
    for seed in (0, 0):
        ld.tl.tsne(adata, use_rep="X_latent", perplexity=10, rng=seed)
        layouts.append(adata.obsm["X_latent_tsne"])
    np.testing.assert_array_equal(*layouts)


@pytest.mark.parametrize("latent", [np.zeros((90, 4)), np.repeat(np.eye(2), 45, axis=0), np.arange(90.0)[:, None]])
def test_collapsed_latents_are_laid_out_without_a_warning(adata, latent):
    adata.obsm["X_collapsed"] = latent
    ld.tl.tsne(adata, use_rep="X_collapsed", perplexity=10, rng=0)
    assert np.isfinite(adata.obsm["X_collapsed_tsne"]).all()


def test_cells_outside_the_sample_are_missing(adata):
    ld.tl.tsne(adata, use_rep="X_latent", perplexity=10, max_obs=50, key_added="X_sample", rng=0)
    assert np.isfinite(adata.obsm["X_sample"]).all(axis=1).sum() == 50
    assert adata.uns["sample"]["params"] == {"use_rep": "X_latent", "perplexity": 10, "max_obs": 50, "rng": 0}


def test_cells_without_a_finite_latent_are_named_and_left_out(adata):
    adata.obsm["X_latent"][:3, 0] = np.nan
    with pytest.warns(UserWarning, match="is not finite in 3 cells .cell 0, cell 1, cell 2."):
        ld.tl.tsne(adata, use_rep="X_latent", perplexity=10, rng=0)
    assert np.isnan(adata.obsm["X_latent_tsne"][:3]).all()
    assert np.isfinite(adata.obsm["X_latent_tsne"][3:]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"use_rep": "X_laten"}, KeyError, "did you mean 'X_latent'"),
        ({"use_rep": "X_latent", "perplexity": 90}, ValueError, "`perplexity=90` needs more cells"),
    ],
)
def test_errors_leave_adata_unchanged(adata, arguments, error, message):
    with assert_unchanged(adata), pytest.raises(error, match=message):
        ld.tl.tsne(adata, **arguments)


def test_copy_leaves_adata_unchanged(adata):
    with assert_unchanged(adata):
        changed = ld.tl.tsne(adata, use_rep="X_latent", perplexity=10, copy=True)
    assert "X_latent_tsne" in changed.obsm
