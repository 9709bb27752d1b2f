"""Known answers: representations that are depth, that have nothing of it, and that hide it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

import lowdepth as ld
from lowdepth.tl._depth._depth_in_latent import N_FOLDS, cluster_variance, held_out_prediction, knn_mixing

N_OBS = 300


@pytest.fixture
def adata():
    """Types of different depth, in two batches of different depth; representations are made of it in the tests."""
    rng = np.random.default_rng(0)
    cell_type, batch = rng.integers(0, 4, N_OBS), rng.integers(0, 2, N_OBS)
    log10_umi = 2.5 + 0.3 * cell_type + 0.5 * batch + 0.4 * rng.standard_normal(N_OBS)
    obs = pd.DataFrame(
        {
            "log10_umi": log10_umi,
            "cell_type": pd.Categorical([f"type {code}" for code in cell_type]),
            "batch": pd.Categorical([f"b{code}" for code in batch]),
        },
        index=[f"cell {i}" for i in range(N_OBS)],
    )
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_depth"] = log10_umi[:, None]
    adata.obsm["X_type"] = 10 * np.eye(4)[cell_type] + rng.standard_normal((N_OBS, 4))
    adata.obsm["X_batch"] = 10 * np.eye(2)[batch] + rng.standard_normal((N_OBS, 2))
    adata.obsm["X_free"] = rng.standard_normal((N_OBS, 8))
    return adata


def one_group(depth):
    return np.zeros(len(depth), int)


def leakage(adata, use_rep, **options):
    return ld.tl.depth_leakage(adata, use_rep, **options).loc[use_rep]


def free_r2_bound(n_obs):
    """Give what the R² of a representation without depth exceeds once in 10,000 data sets.

    In fold f the prediction is independent of the depths to predict. Whatever the prediction is,
    the R² of the fold is at most the squared correlation r² of the two, and n_f r² is close to
    chi-squared with one degree of freedom. The largest of the folds bounds their mean.
    """
    per_fold = n_obs // N_FOLDS
    return stats.chi2(1).isf(1e-4 / N_FOLDS) / per_fold


def test_pure_depth(adata):
    figures = leakage(adata, "X_depth", label_key="cell_type", batch_key="batch")
    assert figures["r2"] > 0.999
    assert figures["r2_within_type"] > 0.999
    figures = leakage(adata, "X_depth")
    assert figures["cluster_variance"] == pytest.approx(1)
    # 15 neighbours are up to 15 ranks away, random cells n / 3
    assert figures["knn_mixing"] < 15 / (N_OBS / 3)
    assert figures["n"] == N_OBS


def test_a_cell_far_from_all_others_is_not_predicted_to_be_deeper_than_any(adata):
    depth = adata.obs["log10_umi"].to_numpy()
    latent = adata.obsm["X_free"] + stats.zscore(depth)[:, None]
    latent[0] = 40
    assert held_out_prediction(latent, depth, one_group(depth), seed=0).max() <= depth.max()


def test_free_of_depth(adata):
    figures = leakage(adata, "X_free", label_key="cell_type")
    assert figures["r2"] <= free_r2_bound(N_OBS)
    assert figures["r2_within_type"] <= free_r2_bound(N_OBS)


@pytest.mark.parametrize("n_dims", [1, 10, 40])
def test_free_of_depth_is_zero_on_average_and_hardly_less(n_dims):
    rng = np.random.default_rng(1)
    r2 = []
    for seed in range(12):
        depth, latent = rng.standard_normal(200), rng.standard_normal((200, n_dims))
        r2.append(r2_score(depth, held_out_prediction(latent, depth, one_group(depth), seed)))
    assert max(r2) <= free_r2_bound(200)
    standard_error = np.std(r2, ddof=1) / np.sqrt(len(r2))
    assert np.mean(r2) <= 5 * standard_error
    assert np.mean(r2) > -0.1


def encodings(depth, rng):
    noise = rng.standard_normal((len(depth), 10))
    sphere = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    centres = 3 * rng.standard_normal((4, 10))
    cell_type = rng.integers(0, 4, len(depth))
    return {
        "one dimension of many": np.column_stack([depth, noise]),
        "one small dimension of many": np.column_stack([depth / 1000, noise]),
        "a curve": np.column_stack([np.sin(depth), np.cos(depth)]),
        "the length": np.exp(depth / 2)[:, None] * sphere,
        "a shrinking of types to one point": centres[cell_type] / (1 + np.exp(-2 * depth))[:, None],
    }


@pytest.mark.parametrize("encoding", list(encodings(np.zeros(1), np.random.default_rng(0))))
def test_depth_that_is_hidden_is_found(encoding):
    rng = np.random.default_rng(2)
    depth = rng.standard_normal(500)
    latent = encodings(depth, rng)[encoding]
    assert r2_score(depth, held_out_prediction(latent, depth, one_group(depth), seed=0)) > 0.9


def test_what_tells_the_type_tells_no_depth_within_it(adata):
    figures = leakage(adata, "X_type", label_key="cell_type")
    assert figures["r2"] > 0.1
    assert figures["r2_within_type"] <= free_r2_bound(N_OBS)
    assert figures["knn_mixing"] < figures["knn_mixing_within_type"]


def test_what_tells_the_batch_tells_no_depth_within_it(adata):
    assert leakage(adata, "X_batch")["r2"] > 0.1
    assert leakage(adata, "X_batch", batch_key="batch")["r2"] <= free_r2_bound(N_OBS)


def test_the_order_of_the_cells_does_not_matter(adata):
    options = {"use_rep": "X_type", "label_key": "cell_type", "batch_key": "batch"}
    expected = ld.tl.depth_leakage(adata, **options)
    shuffled = adata[np.random.default_rng(3).permutation(N_OBS)].copy()
    pd.testing.assert_frame_equal(ld.tl.depth_leakage(shuffled, **options), expected, check_exact=True)
    pd.testing.assert_frame_equal(
        shuffled.uns["depth_leakage"]["per_type"], adata.uns["depth_leakage"]["per_type"], check_exact=True
    )


def test_a_representation_is_measured_the_same_alone_and_with_others(adata):
    together = ld.tl.depth_leakage(adata, ["X_free", "X_type"], label_key="cell_type")
    alone = ld.tl.depth_leakage(adata, "X_type", label_key="cell_type")
    pd.testing.assert_frame_equal(together.loc[["X_type"]], alone, check_exact=True)


@settings(deadline=None, max_examples=25)
@given(n_obs=st.integers(12, 40), n_neighbors=st.integers(1, 10), n_depths=st.integers(2, 50), seed=st.integers(0, 999))
def test_mixing_equals_brute_force(n_obs, n_neighbors, n_depths, seed):
    rng = np.random.default_rng(seed)
    latent, depth = rng.standard_normal((n_obs, 3)), rng.integers(0, n_depths, n_obs).astype(float)
    if np.ptp(depth) == 0:
        return
    rank = stats.rankdata(depth)
    distance = np.linalg.norm(latent[:, None] - latent, axis=2)
    nearest = distance.argsort(axis=1)[:, 1 : n_neighbors + 1]
    difference = np.abs(rank[:, None] - rank)
    expected = np.take_along_axis(difference, nearest, axis=1).mean() / difference.sum() * n_obs * (n_obs - 1)
    assert knn_mixing(latent, depth, n_neighbors) == pytest.approx(expected)


def test_mixing_and_cluster_variance_of_shuffled_depths_have_the_means_that_are_known():
    rng = np.random.default_rng(4)
    latent, depth = rng.standard_normal((150, 3)), rng.lognormal(size=150)
    drawn = np.array(
        [
            (knn_mixing(latent, shuffled, 5), cluster_variance(latent, shuffled, 8, seed=0))
            for shuffled in (rng.permutation(depth) for _ in range(200))
        ]
    )
    standard_error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - [1, 0]) < 5 * standard_error).all()


def test_cluster_variance_is_the_adjusted_r2_of_a_weighted_regression():
    rng = np.random.default_rng(5)
    size = np.array([40, 10, 25, 5, 20])
    centre, depth = 100 * rng.standard_normal((5, 1)), rng.standard_normal(5)
    cluster = np.repeat(np.arange(5), size)
    slope, intercept = np.polyfit(depth, centre[:, 0], 1, w=np.sqrt(size))
    r2 = r2_score(centre[:, 0], intercept + slope * depth, sample_weight=size)
    assert cluster_variance(centre[cluster], depth[cluster], 20, seed=0) == pytest.approx(1 - (1 - r2) * 4 / 3)


def test_a_representation_that_has_collapsed(adata):
    adata.obsm["X_point"] = np.ones((N_OBS, 3), np.float32)
    figures = leakage(adata, "X_point")
    assert figures["r2"] <= 0
    assert np.isnan(figures["cluster_variance"])


def test_types_too_small_and_cells_without_a_type_count_overall_only(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories("rare")
    adata.obs.loc[adata.obs_names[:15], "cell_type"] = "rare"
    adata.obs.loc[adata.obs_names[15:30], "cell_type"] = np.nan
    assert leakage(adata, "X_type", label_key="cell_type")["n"] == N_OBS
    per_type = adata.uns["depth_leakage"]["per_type"]
    assert per_type["n"].sum() == N_OBS - 30
    assert "rare" not in set(per_type["label"])


def test_cells_that_are_not_finite_are_left_out_everywhere(adata):
    adata.obsm["X_free"][:7] = np.nan
    with pytest.warns(UserWarning, match="is not finite in 7 cells"):
        assert (ld.tl.depth_leakage(adata, ["X_free", "X_type"])["n"] == N_OBS - 7).all()


def test_a_sample_of_the_cells(adata):
    figures = leakage(adata, "X_depth", max_obs=100, rng=1)
    assert figures["n"] == 100
    assert figures["r2"] > 0.99


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, kind, tmp_path):
    overall = ld.tl.depth_leakage(adata, "X_depth", label_key="cell_type", key_added="leak")
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata").uns["leak"]
    pd.testing.assert_frame_equal(read["overall"], overall)
    pd.testing.assert_frame_equal(read["per_type"], adata.uns["leak"]["per_type"])
    assert read["params"]["use_rep"].tolist() == ["X_depth"]
    assert read["params"]["label_key"] == "cell_type"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"use_rep": []}, ValueError, "`use_rep` names no representation"),
        ({"use_rep": "X_dept"}, KeyError, "did you mean 'X_depth'"),
        ({"label_key": "cell_typ"}, KeyError, "did you mean 'cell_type'"),
        ({"batch_key": "donor"}, KeyError, "no label column 'donor'"),
        ({"batch_key": "holey"}, ValueError, "missing for 1 cells"),
        ({"n_neighbors": 0}, ValueError, "`n_neighbors=0`"),
        ({"n_neighbors": N_OBS}, ValueError, "300 usable cells"),
        ({"n_clusters": 2}, ValueError, "`n_clusters=2`"),
        ({"max_obs": 10}, ValueError, "`max_obs=10`"),
        ({"label_key": "name"}, ValueError, "no type has more than `n_neighbors=15` cells"),
    ],
)
def test_bad_options(adata, options, error, match):
    adata.obs["name"] = adata.obs_names
    adata.obs["holey"] = ["b"] * (N_OBS - 1) + [None]
    with assert_unchanged(adata), pytest.raises(error, match=match):
        ld.tl.depth_leakage(adata, **{"use_rep": "X_depth", **options})


@pytest.mark.parametrize(("log10_umi", "match"), [(None, "missing; run"), (3.0, "all cells have 999 UMIs")])
def test_bad_depths(adata, log10_umi, match):
    if log10_umi is None:
        del adata.obs["log10_umi"]
    else:
        adata.obs["log10_umi"] = log10_umi
    with assert_unchanged(adata), pytest.raises((KeyError, ValueError), match=match):
        ld.tl.depth_leakage(adata, "X_depth")


def test_few_cells(adata):
    few = adata[:49].copy()
    with assert_unchanged(few), pytest.raises(ValueError, match="there are 49 usable cells; depth leakage needs 50"):
        ld.tl.depth_leakage(few, "X_depth")
