"""The scores are scikit-learn's, on the same cells for every representation."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_recall_fscore_support

import lowdepth as ld

LOW_UMI = 200


@pytest.fixture
def adata():
    adata = counts_adata(300)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    rng = np.random.default_rng(0)
    adata.obsm["X_good"] = np.log1p(adata.X[:, :12].toarray())
    adata.obsm["X_noise"] = rng.normal(size=(300, 4))
    return adata


def score(adata, use_rep=("X_good", "X_noise"), **options):
    return ld.tl.label_transfer_score(adata, "cell_type", use_rep=use_rep, **{"low_umi": LOW_UMI, **options})


def truth_and_prediction(adata):
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_good", low_umi=LOW_UMI)
    shallow = adata.obs["total_umi"] < LOW_UMI
    return adata.obs["cell_type"][shallow].astype(str), adata.obs["label_transfer"][shallow].astype(str)


def test_overall_scores_are_scikit_learn_s(adata):
    overall = score(adata).to_frame()
    truth, predicted = truth_and_prediction(adata)
    assert overall.loc["X_good", "accuracy"] == accuracy_score(truth, predicted)
    assert overall.loc["X_good", "balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert (overall["n_query"] == len(truth)).all()
    assert (overall["n_query"] + overall["n_reference"] == adata.n_obs).all()


def test_scores_per_type_are_scikit_learn_s(adata):
    per_type = score(adata).per_type.query("representation == 'X_good'").set_index("label")
    truth, predicted = truth_and_prediction(adata)
    precision, recall, _, n = precision_recall_fscore_support(truth, predicted, labels=list(per_type.index))
    np.testing.assert_allclose(per_type["precision"], precision)
    np.testing.assert_allclose(per_type["recall"], recall)
    np.testing.assert_array_equal(per_type["n"], n)


def test_bins_of_depth_share_out_the_shallow_cells(adata):
    result = score(adata, "X_good")
    bins = result.per_depth
    assert bins["n"].sum() == result.overall["n_query"].iloc[0]
    assert bins["umi_high"].iloc[-1] == LOW_UMI
    np.testing.assert_allclose(bins["umi_high"] / bins["umi_low"], 10**0.5)
    assert np.average(bins["accuracy"], weights=bins["n"]) == pytest.approx(result.overall["accuracy"].iloc[0])
    depth = adata.obs["total_umi"]
    for row in bins.itertuples():
        assert ((depth >= row.umi_low) & (depth < row.umi_high)).sum() == row.n


def test_a_hand_made_case():
    obs = pd.DataFrame(
        {"cell_type": list("aabbabbb"), "total_umi": [900.0, 900, 900, 900, 5, 5, 5, 5]}, index=list("01234567")
    )
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_latent"] = np.array([[0.0], [0.1], [9.0], [9.1], [0.2], [8.9], [0.3], [9.2]])
    result = ld.tl.label_transfer_score(adata, "cell_type", use_rep="X_latent", low_umi=100, n_neighbors=1)
    assert result.overall.loc["X_latent", "accuracy"] == 3 / 4
    assert result.overall.loc["X_latent", "balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert result.per_type["precision"].tolist() == [1 / 2, 1.0]


def test_accuracy_interval_is_the_binomial_one(adata):
    overall = score(adata, "X_good", n_bootstrap=20_000).overall.iloc[0]
    n = overall["n_query"]
    low, high = stats.binom(n, overall["accuracy"]).ppf([0.025, 0.975]) / n
    # the bootstrap of a mean of zeros and ones is this binomial: quantiles differ by a cell or two
    assert overall["accuracy_low"] == pytest.approx(low, abs=2 / n)
    assert overall["accuracy_high"] == pytest.approx(high, abs=2 / n)


def test_no_bootstrap_no_intervals(adata):
    overall = score(adata, n_bootstrap=0).overall
    assert overall.filter(like="_low").isna().all(axis=None)
    assert overall["accuracy"].notna().all()


def test_perfect_and_chance(adata):
    adata.obsm["X_truth"] = np.eye(3)[adata.obs["cell_type"].cat.codes]
    overall = score(adata, ["X_truth", "X_noise"]).overall
    assert overall.loc["X_truth", "balanced_accuracy"] == 1
    # three types of equal size: a guess is right with probability 1/3; wrong once in 1e5 seeds, and this one is fixed
    n = overall["n_query"].iloc[0]
    low, high = stats.binom(n, 1 / 3).ppf([5e-6, 1 - 5e-6]) / n
    assert low <= overall.loc["X_noise", "accuracy"] <= high


def test_all_representations_are_scored_on_the_same_finite_cells(adata):
    shallow = np.flatnonzero(adata.obs["total_umi"] < LOW_UMI)
    adata.obsm["X_noise"][shallow[:7]] = np.inf
    with pytest.warns(UserWarning, match=r"\['X_noise'\] is not finite in 7 cells .*: they are not scored"):
        overall = score(adata).overall
    assert (overall["n_query"] == len(shallow) - 7).all()


def test_cells_without_a_label_are_left_out(adata):
    shallow = np.flatnonzero(adata.obs["total_umi"] < LOW_UMI)
    adata.obs.loc[adata.obs_names[shallow[:5]], "cell_type"] = np.nan
    assert (score(adata).overall["n_query"] == len(shallow) - 5).all()


def test_a_type_without_deep_cells_counts_as_missed(adata):
    shallow = np.flatnonzero(adata.obs["total_umi"] < LOW_UMI)
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories("rare")
    adata.obs.loc[adata.obs_names[shallow[:5]], "cell_type"] = "rare"
    with pytest.warns(UserWarning, match="No deep cell is labelled rare"):
        per_type = score(adata, "X_good").per_type.set_index("label")
    assert per_type.loc["rare", "recall"] == 0
    assert np.isnan(per_type.loc["rare", "precision"])


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_record_survives_a_file(adata, kind, tmp_path):
    result = score(adata)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path).uns["label_transfer_score"]
    for name in ("overall", "per_type", "per_depth"):
        pd.testing.assert_frame_equal(
            read[name], getattr(result, name), check_index_type=False, check_dtype=False, check_categorical=False
        )
    assert list(read["params"]["use_rep"]) == ["X_good", "X_noise"]


def test_shown_with_the_caveat(adata):
    result = score(adata)
    for text in (repr(result), result._repr_html_()):
        assert "upper bounds" in text
        assert "X_noise" in text
    assert list(result.recall_table().columns) == ["X_good", "X_noise"]
    assert result.recall_table()["X_noise"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"use_rep": []}, ValueError, "names no representation"),
        ({"use_rep": ["X_good", "X_bad"]}, KeyError, "no representation 'X_bad'"),
        ({"low_umi": 0}, ValueError, "no usable shallow cell"),
        ({"n_neighbors": 500}, ValueError, "`n_neighbors=500`"),
    ],
)
def test_errors_leave_adata_unchanged(adata, options, error, message):
    with assert_unchanged(adata), pytest.raises(error, match=message):
        score(adata, **options)
