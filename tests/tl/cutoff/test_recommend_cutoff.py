"""The promise of the cutoff on cells that were held out, and what becomes of each cell."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import CONTAINERS, assert_unchanged, counts_adata
from known_models import ConstantModel, DirectionModel, train
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

import lowdepth as ld
from lowdepth.tl._cutoff._keep import CHOICES, Cutoff, choose, kept_table

LOW_UMI = 150


@pytest.fixture
def adata():
    return counts_adata(400, depth=200.0)


@pytest.fixture(scope="module")
def direction():
    return train(counts_adata(), DirectionModel)


@pytest.fixture(scope="module")
def constant():
    return train(counts_adata(), ConstantModel)


def recommend(adata, model, label_key="cell_type", **options):
    options = {"low_umi": LOW_UMI, "depths": [3, 6, 12, 25, 50, 150], "n_bootstrap": 100, **options}
    return ld.tl.recommend_cutoff(adata, model, label_key, progress_bar=False, **options)


def total_of(adata):
    return adata.X.sum(axis=1).A1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("target", [0.7, 0.9])
def test_the_promise_holds_on_held_out_cells(seed, target, direction):
    adata = counts_adata(1200, depth=1000.0, seed=seed)
    adata = adata[total_of(adata) >= LOW_UMI].copy()
    is_held_out = np.random.default_rng(seed).random(adata.n_obs) < 0.4
    known, held_out = adata[~is_held_out].copy(), adata[is_held_out].copy()
    found = recommend(known, direction, target=target, depths=[1, 2, 3, 4, 6, 8, 12, 16, 25, 150])
    assert 1 < found.umi < LOW_UMI

    classifier = KNeighborsClassifier(15).fit(DirectionModel.embedding(known.X.toarray()), known.obs["cell_type"])

    def recognised(umi):
        thinned = ld.pp.thin_to_depth(held_out, umi, rng=seed, copy=True).X.toarray()
        return classifier.predict(DirectionModel.embedding(thinned)) == held_out.obs["cell_type"].to_numpy()

    right = recognised(found.umi)
    assert stats.binomtest(int(right.sum()), len(right), target, alternative="less").pvalue > 1e-3
    # and it is no more cautious than its interval: clearly below it the target is missed
    fewer = recognised(found.cutoffs["cutoff_low"].iloc[0] / 2)
    assert stats.binomtest(int(fewer.sum()), len(fewer), target, alternative="less").pvalue < 0.05
    for row in found.cutoffs.iloc[1:].itertuples():
        own = held_out.obs["cell_type"].to_numpy() == row.label
        right = recognised(row.cutoff_high)[own]
        assert stats.binomtest(int(right.sum()), len(right), target, alternative="less").pvalue > 1e-3


@pytest.mark.parametrize(
    ("umi", "confidence", "only_ambient", "expected"),
    [
        (1000, 0.1, True, "keep"),
        (130, np.nan, False, "keep"),
        (110, np.nan, False, "flag"),
        (90, np.nan, False, "flag"),
        (70, np.nan, False, "drop"),
        (130, 0.9, False, "keep"),
        (110, 0.8, False, "keep"),
        (130, 0.7, False, "flag"),
        (90, 0.9, False, "flag"),
        (70, 0.7, False, "drop"),
        (130, 0.9, True, "drop"),
    ],
)
def test_what_becomes_of_a_cell(umi, confidence, only_ambient, expected):
    arrays = np.array([umi]), Cutoff(100, 80, 120), np.array([confidence]), np.array([only_ambient])
    assert choose(*arrays, low_umi=1000, target=0.8).tolist() == [expected]


@pytest.mark.parametrize(("cutoff", "expected"), [(np.inf, "drop"), (np.nan, "flag")])
def test_shallow_cells_without_a_cutoff(cutoff, expected):
    arrays = np.array([500, 1000]), Cutoff(cutoff, cutoff, cutoff), np.array([np.nan] * 2), np.zeros(2, bool)
    assert choose(*arrays, low_umi=1000, target=0.8).tolist() == [expected, "keep"]


def test_what_is_kept_is_counted():
    choice = pd.Categorical(["keep", "drop", "keep", "flag"], categories=CHOICES)
    sample = pd.Categorical(["a", "a", "b", None])
    table = kept_table(choice, np.array([1000, 499, 500, 200]), {"sample": sample}).set_index("name")
    assert table.loc["all cells"].to_list() == ["all cells", 4, 2, 1, 1, 4, 2, 1]
    assert table.loc["a"].to_list() == ["sample", 2, 1, 0, 1, 2, 1, 1]
    assert table.loc["b", "keep"] == 1


def test_choices_follow_the_cutoff(adata, direction):
    found = recommend(adata, direction, sample_key="batch")
    total, keep = total_of(adata), adata.obs["keep"]
    low, high = found.cutoffs[["cutoff_low", "cutoff_high"]].iloc[0]
    assert (total[keep == "keep"] >= high).all()
    assert (total[keep == "drop"] < low).all()
    kept = found.kept.set_index(["group", "name"])
    assert kept.loc[("all cells", "all cells"), "n"] == adata.n_obs
    for group in ("type", "sample"):
        np.testing.assert_array_equal(kept.loc[group].sum(), kept.loc[("all cells", "all cells")])
    shares = adata.obs["batch"][keep == "keep"].value_counts()
    assert kept.loc[("sample", "b0"), "keep"] == shares["b0"]


def test_the_curve_is_that_of_recovery_curve(adata, direction):
    found = recommend(adata, direction)
    alone = ld.tl.recovery_curve(
        adata, direction, "cell_type", depths=[3, 6, 12, 25, 50, 150], low_umi=LOW_UMI, progress_bar=False
    )
    np.testing.assert_array_equal(found.curve.overall["accuracy"], alone.overall["accuracy"])
    assert (found.curve.params["models"], found.curve.params["target"]) == (["DirectionModel"], 0.8)


def test_labels_of_shallow_cells_are_not_used(adata, direction):
    other = adata.copy()
    other.obs["cell_type"] = other.obs["cell_type"].where(total_of(other) >= LOW_UMI)
    one, two = recommend(adata, direction), recommend(other, direction)
    pd.testing.assert_frame_equal(one.cutoffs, two.cutoffs)
    pd.testing.assert_frame_equal(one.kept, two.kept)


def test_confidences_of_a_transfer_decide(adata, direction):
    adata.obs["label_transfer"] = adata.obs["cell_type"]
    adata.obs["label_transfer_confidence"] = np.where(np.arange(adata.n_obs) % 2, 0.99, 0.1)
    found = recommend(adata, direction)
    shallow = total_of(adata) < LOW_UMI
    sure, deep_enough = adata.obs["label_transfer_confidence"] > 0.8, total_of(adata) >= found.umi
    keep = adata.obs["keep"][shallow]
    assert ((keep == "keep") == (sure & deep_enough)[shallow]).all()
    assert ((keep == "drop") == (~sure & ~deep_enough)[shallow]).all()
    counts = found.kept[found.kept["group"] == "type"].set_index("name")["n"]
    assert counts.to_dict() == adata.obs["cell_type"].value_counts().to_dict()


def test_without_labels_clusters_are_recognised(adata, direction):
    del adata.obs["cell_type"]
    found = recommend(adata, direction, None, n_clusters=3)
    names = found.cutoffs["label"].to_list()
    assert names == ["all cells", "cluster 0", "cluster 1", "cluster 2"]
    # the embedding holds three types and nothing else, so that clusters and labels ask for the same
    labelled = recommend(counts_adata(400, depth=200.0), direction)
    low, high = labelled.cutoffs[["cutoff_low", "cutoff_high"]].iloc[0]
    assert low / 2 <= found.umi <= 2 * high


def test_empty_droplets_are_dropped_and_not_rescued(adata, direction):
    rng, counts, total = np.random.default_rng(0), adata.X.toarray(), total_of(adata)
    # a soup of cells that are not there
    ambient = rng.gamma(0.5, size=adata.n_vars) + 0.01
    empty = np.flatnonzero((total < LOW_UMI) & (np.arange(adata.n_obs) % 4 == 0))
    counts[empty] = [rng.multinomial(int(total[row]), ambient / ambient.sum()) for row in empty]
    adata.X = CONTAINERS["csr_matrix"](counts)
    found = recommend(adata, direction, ambient_profile=ambient, target=0.5)
    share = adata.obs["keep_ambient_share"]
    shallow = total < LOW_UMI
    assert share.notna().tolist() == shallow.tolist()
    assert stats.binomtest(int((adata.obs["keep"].iloc[empty] != "drop").sum()), len(empty), 0.05).pvalue > 1e-4
    is_empty = np.isin(np.arange(adata.n_obs), empty)
    assert share[shallow & is_empty & (total > 40)].mean() > 0.6
    assert share[shallow & ~is_empty & (total > 40)].mean() < 0.3
    assert found.params["n_ambient_only"] >= 0.9 * len(empty)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"low_umi": 1e5}, "There are no cells at or above .* all shallow cells are flagged"),
        ({"label": "one"}, "of one type, which is recognised at any depth"),
        ({"n_neighbors": 300}, "too few to recognise each other"),
    ],
)
def test_data_that_cannot_say(adata, direction, change, match):
    adata.obs["cell_type"] = change.pop("label", adata.obs["cell_type"])
    with pytest.warns(UserWarning, match=match):
        found = recommend(adata, direction, **change)
    shallow = total_of(adata) < change.get("low_umi", LOW_UMI)
    assert (adata.obs["keep"][shallow] == "flag").all()
    assert (adata.obs["keep"][~shallow] == "keep").all()
    assert np.isnan(found.umi)
    assert "the data cannot say" in repr(found)
    assert found.curve is None
    with pytest.raises(KeyError, match="holds no 'overall'"):
        ld.pl.recovery_curve(adata, key="keep")


def test_few_deep_cells(direction):
    adata = counts_adata(120, depth=200.0)
    with pytest.warns(UserWarning, match=r"There are only \d\d deep cells"):
        recommend(adata, direction, n_neighbors=5)


def test_a_target_out_of_reach(adata, constant):
    with pytest.warns(UserWarning, match="no depth below `low_umi=150` is enough"):
        found = recommend(adata, constant)
    assert "out of reach" in repr(found)
    assert (adata.obs["keep"] == np.where(total_of(adata) >= LOW_UMI, "keep", "drop")).all()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, direction, kind, tmp_path):
    found = recommend(adata, direction, ambient_profile=np.ones(adata.n_vars), key_added="choice")
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata")
    assert read.obs["choice"].tolist() == adata.obs["choice"].tolist()
    np.testing.assert_array_equal(read.uns["choice"]["cutoffs"]["cutoff"], found.cutoffs["cutoff"])
    assert read.uns["choice"]["kept"]["name"].tolist() == found.kept["name"].tolist()
    ax = ld.pl.recovery_curve(read, key="choice")
    assert ax.get_legend_handles_labels()[1] == ["DirectionModel", "target", f"cutoff, {found.umi:.0f} UMIs"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"target": 0}, ValueError, "`target=0`"),
        ({"target": 1}, ValueError, "`target=1`"),
        ({"n_bootstrap": 0}, ValueError, "`n_bootstrap=0`"),
        ({"n_clusters": 0}, ValueError, "`n_clusters=0`"),
        ({"depths": [200]}, ValueError, r"`depths` holds 200\.0"),
        ({"label_key": "celltype"}, KeyError, "did you mean 'cell_type'"),
        ({"sample_key": "sample"}, KeyError, "no label column 'sample'"),
        ({"transfer": "transfer"}, KeyError, "no finished transfer 'transfer'"),
        ({"ambient_profile": [1, 2]}, ValueError, "`ambient_profile` has shape"),
        ({"model": "scvi"}, TypeError, "`model` is a str"),
    ],
)
def test_bad_options(adata, direction, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        recommend(adata, **{"model": direction, **options})
