"""Noise and paths of an embedding that is linear are known; so are the shares of noise in simulated ones."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from helpers import CONTAINERS, assert_unchanged, counts_adata
from scipy import stats

import lowdepth as ld
from lowdepth.tl._cells._thinned_embedding import reliability

RELIABILITY, NOISE = "thinning_stability", "thinning_stability_noise"
PATH, SPREAD = "thinning_stability_path", "thinning_stability_spread"
N_LATENT = 3
FAST = {"max_epochs": 1, "batch_size": 32, "accelerator": "cpu", "enable_progress_bar": False, "log_every_n_steps": 1}


class LinearModel(scvi.model.SCVI):
    """Embeds counts by a fixed projection, so that the moments of thinned cells are known."""

    def get_latent_representation(self, adata=None, **_):
        counts = self.get_anndata_manager(adata or self.adata, required=True).get_from_registry("X")
        return np.asarray(counts @ projection(counts.shape[1]), np.float32)


def projection(n_vars):
    return np.random.default_rng(7).standard_normal((n_vars, N_LATENT))


def train(adata, model_class, **options):
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(scvi.settings, "_seed", None)
        torch.manual_seed(0)
        model_class.setup_anndata(adata, batch_key="batch")
        model = model_class(adata, n_latent=N_LATENT, **options)
        model.train(**FAST)
    return model


@pytest.fixture
def adata():
    return counts_adata(60)


@pytest.fixture
def linear(adata):
    return train(adata, LinearModel)


def thin(adata, model, **options):
    ld.tl.thinning_stability(adata, model, **{"n": 3, "depths": [100, 30], "progress_bar": False, **options})


def check_moments(mean, variance, counts, keep, n):
    """Compare with the moments of Binomial(y, keep) in a linear embedding, each cell in units of standard errors."""
    weights = projection(counts.shape[1])
    one_draw = keep[:, None] * (1 - keep[:, None]) * (counts @ weights**2)
    if mean is not None:
        z = (mean - keep[:, None] * (counts @ weights)) / np.sqrt(one_draw / n)
        assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    # the trace of a covariance of normal draws has the variance 2 tr(C²) / (n - 1)
    covariance = np.einsum("ig,ga,gb->iab", counts * (keep * (1 - keep))[:, None], weights, weights)
    standard_error = np.sqrt(2 * (covariance**2).sum(axis=(1, 2)) / (n - 1))
    z = (variance - one_draw.sum(axis=1)) / standard_error
    # normal to first order only: bounds for 60 cells at once, and for their mean
    assert np.abs(z).max() < 6
    assert abs(z.mean()) < 5 / np.sqrt(len(z))


def test_noise_is_that_of_binomial_thinning_to_half(adata, linear):
    thin(adata, linear, n=100, depths=[])
    check_moments(None, adata.obs[NOISE].to_numpy() ** 2, adata.X.toarray(), np.full(adata.n_obs, 0.5), 100)


def test_paths_have_the_moments_of_binomial_thinning(adata, linear):
    thin(adata, linear, n=100, depths=[30, 100])
    counts = adata.X.toarray().astype(float)
    total = counts.sum(axis=1)
    assert adata.uns[RELIABILITY]["params"]["depths"].tolist() == [100, 30]
    np.testing.assert_allclose(adata.obsm[PATH][:, 0], linear.get_latent_representation())
    for place, depth in enumerate([100, 30]):
        deeper = total > depth
        mean, spread = adata.obsm[PATH][:, place + 1], adata.obsm[SPREAD][:, place]
        np.testing.assert_array_equal(np.isfinite(mean).all(axis=1), deeper)
        np.testing.assert_array_equal(np.isfinite(spread), deeper)
        check_moments(mean[deeper], spread[deeper] ** 2, counts[deeper], depth / total[deeper], 100)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_reliability_is_that_of_poisson_counts_around_known_means(spread):
    # with a spread of zero all cells have one profile: what differs between their embeddings is noise, all of it
    rng = np.random.default_rng(1)
    n_obs = 1500
    adata = counts_adata(n_obs)
    means = 10 * (1 + spread * rng.uniform(-1, 1, adata.shape))
    adata.X = CONTAINERS["csr_matrix"](rng.poisson(means).astype(np.float32))
    thin(adata, train(adata, LinearModel), n=20, depths=[])
    weights = projection(adata.n_vars)
    signal = 100 * spread**2 / 3 * (weights**2).sum()
    expected = signal / (signal + 10 * (weights**2).sum())
    # the variance of 1,500 cells in three dimensions is known to sqrt(2 / 4500) of it; reliability is
    # bounded below by 0, so that the mean over cells without a signal is a little above it
    assert adata.obs[RELIABILITY].mean() == pytest.approx(expected, abs=5 * np.sqrt(2 / 4500))


@pytest.mark.parametrize("noise_share", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("shrinkage", [1.0, 1e-3])
def test_reliability_is_the_share_of_the_signal_however_the_encoder_shrinks(noise_share, shrinkage):
    rng = np.random.default_rng(2)
    n_obs, n_dims, n = 4000, 10, 4
    mean = np.sqrt(1 - noise_share) * rng.standard_normal((n_obs, n_dims))
    mean += np.sqrt(noise_share * (1 + 1 / n)) * rng.standard_normal((n_obs, n_dims))
    noise = np.full(n_obs, noise_share * n_dims)
    total_umi = 10 ** rng.uniform(1, 4, n_obs)
    observed = reliability(shrinkage * mean, shrinkage**2 * noise, total_umi, n)
    # bins of 500 cells know their variance, of up to 1.25 a dimension, in ten dimensions to sqrt(2 / 5000)
    np.testing.assert_allclose(observed, 1 - noise_share, atol=5 * 1.25 * np.sqrt(2 / 5000))


def test_cells_with_more_noise_are_less_reliable():
    rng = np.random.default_rng(3)
    noise = rng.uniform(0, 1, 50)
    observed = reliability(rng.standard_normal((50, 2)), noise, np.full(50, 100.0), 5)
    assert (np.diff(observed[noise.argsort()]) < 0).all()
    assert ((observed > 0) & (observed <= 1)).all()


@pytest.mark.parametrize("preset", [None, "scvi", "denoise"])
def test_models(adata, preset):
    kind, options = (scvi.model.SCVI, {}) if preset is None else (ld.model.JointEmbedding, {"preset": preset})
    model = train(adata, kind, **options)
    thin(adata, model)
    np.testing.assert_allclose(adata.obsm[PATH][:, 0], model.get_latent_representation(), atol=1e-5)
    assert adata.obsm[PATH].shape == (adata.n_obs, 3, N_LATENT)
    assert adata.obs[RELIABILITY].between(0, 1).all()
    assert (adata.obs[NOISE] > 0).all()


def test_the_order_of_the_cells_does_not_matter(adata, linear):
    shuffled = adata[np.random.default_rng(4).permutation(adata.n_obs)].copy()
    for cells in (adata, shuffled):
        thin(cells, linear, max_paths=20)
    pd.testing.assert_frame_equal(shuffled.obs.loc[adata.obs_names], adata.obs)
    shuffled = shuffled[adata.obs_names]
    for key in (PATH, SPREAD):
        np.testing.assert_array_equal(shuffled.obsm[key], adata.obsm[key])


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_do_not_matter(adata, linear, container):
    thin(adata, linear)
    other = adata.copy()
    other.X = CONTAINERS[container](adata.X.toarray())
    thin(other, linear)
    np.testing.assert_allclose(other.obsm[PATH], adata.obsm[PATH], rtol=1e-5)
    np.testing.assert_allclose(other.obs[NOISE], adata.obs[NOISE], rtol=1e-5)


def test_a_sample_of_paths(adata, linear):
    thin(adata, linear, max_paths=7)
    followed = np.isfinite(adata.obsm[SPREAD]).any(axis=1)
    assert followed.sum() == 7
    assert (np.asarray(adata.X.sum(axis=1)).ravel()[followed] > 30).all()
    assert adata.obs[RELIABILITY].notna().all()


@pytest.mark.parametrize("depths", [[], [1e9]])
def test_no_paths(adata, linear, depths):
    thin(adata, linear, depths=depths)
    assert adata.obsm[PATH].shape == (adata.n_obs, 1 + len(depths), N_LATENT)
    assert np.isnan(adata.obsm[SPREAD]).all()


def test_cells_that_lose_every_umi_count(adata, linear):
    counts = adata.X.toarray()
    counts[0] = 0
    counts[0, 5] = 1
    adata.X = CONTAINERS["csr_matrix"](counts)
    thin(adata, linear, n=50, depths=[])
    assert adata.obs[NOISE].iloc[0] > 0


def test_slots_copy_and_no_trace(adata, linear):
    managers = set(linear._per_instance_manager_store[linear.id])
    state = torch.get_rng_state()
    with assert_unchanged(adata):
        copy = ld.tl.thinning_stability(
            adata, linear, n=2, depths=[30], key_added="stable", progress_bar=False, copy=True
        )
    assert set(copy.obs) - set(adata.obs) == {"stable", "stable_noise"}
    assert set(copy.obsm) - set(adata.obsm) == {"stable_path", "stable_spread"}
    assert copy.obsm["stable_path"].dtype == copy.obsm["stable_spread"].dtype == np.float32
    assert set(copy.uns) - set(adata.uns) == {"stable"}
    assert set(linear._per_instance_manager_store[linear.id]) == managers
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, linear, kind, tmp_path):
    thin(adata, linear)
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata")
    for key in (PATH, SPREAD):
        np.testing.assert_array_equal(read.obsm[key], adata.obsm[key])
    assert read.uns[RELIABILITY]["params"]["depths"].tolist() == [100, 30]
    assert read.uns[RELIABILITY]["params"]["rng"] == 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 1}, ValueError, "`n=1`"),
        ({"depths": [100, 0]}, ValueError, r"`depths` holds 0\.0: depths are above zero"),
        ({"depths": [np.nan]}, ValueError, "`depths=nan`"),
        ({"depths": ["deep"]}, ValueError, "`depths` holds something that is not a number"),
        ({"max_paths": -1}, ValueError, "`max_paths=-1`"),
        ({"layer": "spliced"}, KeyError, "no layer 'spliced'"),
        ({"model": "scvi"}, TypeError, "`model` is a str"),
    ],
)
def test_bad_options(adata, linear, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        thin(adata, **{"model": linear, **options})
