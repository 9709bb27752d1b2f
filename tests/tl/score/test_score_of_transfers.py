"""Finished transfers are scored as what they wrote; further scores are scikit-learn's."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

import lowdepth as ld

LOW_UMI = 200
TABLES = ("overall", "per_type", "per_depth", "per_batch", "confusion", "risk_coverage")


@pytest.fixture
def adata():
    adata = counts_adata(300)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    adata.obsm["X_good"] = np.log1p(adata.X[:, :12].toarray())
    rng = np.random.default_rng(0)
    guess = adata.obs["cell_type"].to_numpy(object).copy()
    guess[rng.random(300) < 0.3] = "another, that nobody has"
    adata.obs["guess"] = guess
    adata.obs["guess_confidence"] = rng.random(300)
    return adata


def score(adata, **options):
    return ld.tl.label_transfer_score(adata, "cell_type", **{"low_umi": LOW_UMI, **options})


def shallow(adata):
    return adata[adata.obs["total_umi"] < LOW_UMI].obs


def test_a_transfer_is_scored_like_its_representation(adata):
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_good", low_umi=LOW_UMI)
    both = score(adata, use_rep="X_good", transfer="label_transfer", batch_key="batch", n_bootstrap=0)
    assert list(both.overall.index) == ["X_good", "label_transfer"]
    for name in TABLES:
        table = getattr(both, name)
        table = table.reset_index() if name == "overall" else table
        one, other = (
            table[table["representation"] == key].drop(columns="representation").reset_index(drop=True)
            for key in both.overall.index
        )
        pd.testing.assert_frame_equal(one, other)


def test_scores_of_a_transfer_are_scikit_learn_s(adata):
    result = score(adata, transfer="guess")
    cells = shallow(adata)
    truth, predicted = cells["cell_type"].astype(str), cells["guess"]
    overall = result.overall.loc["guess"]
    types = sorted(set(truth))
    assert overall["accuracy"] == accuracy_score(truth, predicted)
    assert overall["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", labels=types))
    with pytest.warns(UserWarning, match="not in y_true"):
        assert overall["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    names = [*types, "another, that nobody has"]
    matrix = result.confusion_matrix().reindex(index=names, columns=names, fill_value=0)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, predicted, labels=names))
    recall = result.per_type.set_index("label")["recall"]
    shares = result.confusion_matrix("guess", normalize=True)
    np.testing.assert_allclose([shares.loc[name, name] for name in recall.index], recall)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_batches_are_scored_by_themselves(adata):
    adata.obs.loc[adata.obs_names[:4], "batch"] = np.nan
    result = score(adata, transfer="guess", batch_key="batch")
    cells = shallow(adata)
    assert list(result.per_batch["batch"]) == ["b0", "b1"]
    for row in result.per_batch.itertuples():
        own = cells[cells["batch"] == row.batch]
        truth = own["cell_type"].astype(str)
        assert row.n == len(own)
        assert row.accuracy == accuracy_score(truth, own["guess"])
        assert row.macro_f1 == pytest.approx(f1_score(truth, own["guess"], average="macro", labels=sorted(set(truth))))


def test_other_scores_change_no_interval(adata):
    alone = score(adata, use_rep="X_good")
    more = score(adata, use_rep="X_good", transfer="guess", batch_key="batch")
    for name in ("overall", "per_type", "per_depth"):
        table = getattr(more, name).reset_index()
        own = table[table["representation"] == "X_good"].reset_index(drop=True)
        expected = getattr(alone, name).reset_index()
        pd.testing.assert_frame_equal(own, expected[own.columns], check_categorical=False, check_dtype=False)


def test_interval_of_macro_f1_is_that_of_resampled_cells(adata):
    overall = score(adata, transfer="guess", n_bootstrap=4000).overall.iloc[0]
    cells = shallow(adata)
    truth, predicted = cells["cell_type"].astype(str).to_numpy(), cells["guess"].to_numpy(str)
    rng, types = np.random.default_rng(3), sorted(set(truth))
    drawn = [
        f1_score(truth[rows], predicted[rows], average="macro", labels=types)
        for rows in rng.integers(len(truth), size=(400, len(truth)))
    ]
    # the quantile of n draws lies between the order statistics that a binomial puts around it
    for name, share in (("macro_f1_low", 0.025), ("macro_f1_high", 0.975)):
        places = stats.binom(400, share).ppf([1e-5, 1 - 1e-5]).astype(int)
        low, high = np.sort(drawn)[np.clip(places, 0, 399)]
        assert low <= overall[name] <= high


def test_predictions_without_confidence(adata):
    del adata.obs["guess_confidence"]
    result = score(adata, transfer="guess")
    assert result.overall.filter(like="most_confident").isna().all(axis=None)
    assert result.overall["accuracy"].notna().all()


def test_cells_without_a_prediction_are_left_out_for_all(adata):
    cells = np.flatnonzero(adata.obs["total_umi"] < LOW_UMI)
    adata.obs.iloc[cells[:9], adata.obs.columns.get_loc("guess")] = None
    result = score(adata, use_rep="X_good", transfer="guess")
    assert (result.overall["n_query"] == len(cells) - 9).all()
    # deep cells vote whether the transfer has labelled them or not
    assert (result.overall["n_reference"] == adata.n_obs - len(cells)).all()


def test_cells_that_kept_their_own_label_are_left_out(adata):
    adata.obs["known"] = np.arange(300) % 5 == 0
    adata.uns["guess"] = {"params": {"reference": "known"}}
    expected = ((adata.obs["total_umi"] < LOW_UMI) & ~adata.obs["known"]).sum()
    assert score(adata, transfer="guess").overall["n_query"].iloc[0] == expected


def test_a_query_without_deep_cells(adata):
    query = adata[adata.obs["total_umi"] < LOW_UMI].copy()
    result = score(query, transfer="guess")
    assert result.overall["n_reference"].iloc[0] == 0
    assert result.overall["accuracy"].iloc[0] == score(adata, transfer="guess").overall["accuracy"].iloc[0]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_record_survives_a_file(adata, kind, tmp_path):
    result = score(adata, use_rep="X_good", transfer="guess", batch_key="batch")
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    record = read.uns["label_transfer_score"]
    for name in TABLES:
        pd.testing.assert_frame_equal(
            record[name], getattr(result, name), check_index_type=False, check_dtype=False, check_categorical=False
        )
    assert list(record["params"]["use_rep"]) == ["X_good", "guess"]
    assert list(record["params"]["transfer"]) == ["guess"]
    assert len(ld.pl.label_recovery(read).containers) == 4  # bars and whiskers of both


def test_shown(adata):
    only = score(adata, transfer="guess")
    assert "neighbours" not in repr(only)
    assert "neighbours" in repr(score(adata, use_rep="X_good", transfer="guess"))
    assert "macro_f1" in only._repr_html_()


def test_confusion_of_an_unknown_representation(adata):
    with pytest.raises(ValueError, match=r"no representation 'gess'.*did you mean 'guess'"):
        score(adata, transfer="guess").confusion_matrix("gess")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "`transfer` no column"),
        ({"transfer": "gues"}, KeyError, "no finished transfer 'gues'.*did you mean 'guess'"),
        ({"transfer": ["guess", "guess"]}, ValueError, "the same thing twice: guess, guess"),
        ({"transfer": "guess", "batch_key": "bach"}, KeyError, "did you mean 'batch'"),
        ({"transfer": "guess", "low_umi": 1}, ValueError, "no cell below `low_umi=1`"),
        ({"transfer": "cautious", "low_umi": 300}, ValueError, "kept their own label in the transfer 'cautious'"),
    ],
)
def test_errors_leave_adata_unchanged(adata, options, error, message):
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_good", low_umi=LOW_UMI, key_added="cautious")
    with assert_unchanged(adata), pytest.raises(error, match=message):
        score(adata, **options)


def test_reference_cells_do_not_count_however_they_were_named(adata):
    adata.obs["known"] = np.random.default_rng(0).random(adata.n_obs) < 0.5
    accuracies = []
    for reference in ("known", adata.obs["known"].to_numpy()):
        ld.tl.label_transfer(adata, "cell_type", use_rep="X_good", reference=reference, low_umi=LOW_UMI)
        some = adata[::-2].copy()
        accuracies.append(score(some, transfer="label_transfer", n_bootstrap=0).overall[["accuracy", "n_query"]])
    pd.testing.assert_frame_equal(*accuracies)
    assert accuracies[0]["n_query"].item() == (~some.obs["known"] & (some.obs["total_umi"] < LOW_UMI)).sum()


def test_a_transfer_whose_record_is_lost(adata):
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_good", low_umi=LOW_UMI)
    both = [adata[:150], adata[150:]]
    with pytest.raises(ValueError, match=r"its record adata\.uns\['label_transfer'\] is lost"):
        score(ad.concat(both), transfer="label_transfer")
    kept = score(ad.concat(both, uns_merge="first"), transfer="label_transfer", n_bootstrap=0)
    assert kept.overall["n_query"].item() == len(shallow(adata))
