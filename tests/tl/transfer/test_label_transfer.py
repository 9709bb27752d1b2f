"""Shallow cells get the labels of their deep neighbours, and nothing else does."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata
from sklearn.neighbors import KNeighborsClassifier

import lowdepth as ld

LOW_UMI = 200


@pytest.fixture
def adata():
    adata = counts_adata(200)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    adata.obsm["X_latent"] = np.log1p(adata.X[:, :8].toarray())
    return adata


def transfer(adata, **options):
    ld.tl.label_transfer(adata, "cell_type", **{"use_rep": "X_latent", "low_umi": LOW_UMI, **options})
    return adata.obs["label_transfer"], adata.obs["label_transfer_confidence"]


@pytest.mark.parametrize("n_neighbors", [1, 5, 30])
def test_equals_scikit_learn(adata, n_neighbors):
    label, confidence = transfer(adata, n_neighbors=n_neighbors)
    deep = (adata.obs["total_umi"] >= LOW_UMI).to_numpy()
    latent, truth = adata.obsm["X_latent"], adata.obs["cell_type"].astype(str).to_numpy()
    classifier = KNeighborsClassifier(n_neighbors, algorithm="brute").fit(latent[deep], truth[deep])
    np.testing.assert_array_equal(label[~deep].astype(str), classifier.predict(latent[~deep]))
    np.testing.assert_allclose(confidence[~deep], classifier.predict_proba(latent[~deep]).max(axis=1))


def test_deep_cells_keep_their_own(adata):
    label, confidence = transfer(adata)
    deep = adata.obs["total_umi"] >= LOW_UMI
    assert (label[deep] == adata.obs["cell_type"][deep]).all()
    assert (confidence[deep] == 1).all()


def test_labels_of_shallow_cells_do_not_matter(adata):
    expected, _ = transfer(adata)
    expected = expected.copy()
    adata.obs.loc[adata.obs["total_umi"] < LOW_UMI, "cell_type"] = "type 0"
    observed, _ = transfer(adata)
    pd.testing.assert_series_equal(observed, expected)


def test_order_of_cells_does_not_matter(adata):
    label, confidence = transfer(adata)
    order = np.random.default_rng(0).permutation(adata.n_obs)
    shuffled_label, shuffled_confidence = transfer(adata[order].copy())
    pd.testing.assert_series_equal(shuffled_label, label.iloc[order])
    pd.testing.assert_series_equal(shuffled_confidence, confidence.iloc[order])


def test_a_tie_goes_to_the_first_category():
    obs = pd.DataFrame({"cell_type": ["b", "a", "?"], "total_umi": [500.0, 500.0, 5.0]}, index=list("012"))
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_latent"] = np.array([[-1.0], [1.0], [0.0]])
    label, confidence = transfer(adata, n_neighbors=2)
    assert (label.iloc[2], confidence.iloc[2]) == ("a", 0.5)


def test_missing_labels_of_deep_cells_do_not_vote_and_stay_missing(adata):
    deep = np.flatnonzero(adata.obs["total_umi"] >= LOW_UMI)
    adata.obs.loc[adata.obs_names[deep[:10]], "cell_type"] = np.nan
    label, confidence = transfer(adata)
    assert label.iloc[deep[:10]].isna().all()
    assert confidence.iloc[deep[:10]].isna().all()
    assert label.drop(index=adata.obs_names[deep[:10]]).notna().all()


def test_cells_without_a_finite_latent_get_no_label(adata):
    shallow = np.flatnonzero(adata.obs["total_umi"] < LOW_UMI)
    adata.obsm["X_latent"][shallow[:2]] = np.nan
    with pytest.warns(UserWarning, match="is not finite in 2 cells"):
        label, confidence = transfer(adata)
    assert label.iloc[shallow[:2]].isna().all()
    assert confidence.iloc[shallow[:2]].isna().all()


def test_categories_and_colours_are_the_label_s_own(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories("unused")
    adata.uns["cell_type_colors"] = ["#111111", "#222222", "#333333", "#444444"]
    label, _ = transfer(adata)
    assert label.dtype == adata.obs["cell_type"].dtype
    assert list(adata.uns["label_transfer_colors"]) == adata.uns["cell_type_colors"]


def test_key_added_renames_everything(adata):
    before = {*adata.obs, *adata.obsm, *adata.uns}
    ld.tl.label_transfer(adata, "cell_type", use_rep="X_latent", low_umi=LOW_UMI, key_added="kind")
    added = {*adata.obs, *adata.obsm, *adata.uns} - before
    assert added == {"kind", "kind_confidence", "kind_entropy", "kind_probability"}


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_slots_survive_a_file(adata, kind, tmp_path):
    label, confidence = transfer(adata)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    pd.testing.assert_series_equal(read.obs["label_transfer"], label)
    pd.testing.assert_series_equal(read.obs["label_transfer_confidence"], confidence)
    assert read.uns["label_transfer"]["params"]["n_neighbors"] == 15


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"use_rep": "X_late"}, KeyError, "did you mean 'X_latent'"),
        ({"low_umi": 10**9}, ValueError, "no usable deep cell at or above `low_umi=1000000000`"),
        ({"low_umi": 0}, ValueError, "no usable shallow cell below `low_umi=0`"),
        ({"n_neighbors": 10_000}, ValueError, r"`n_neighbors=10000`: it has to lie between 1 and the \d+ deep"),
        ({"n_neighbors": 0}, ValueError, "`n_neighbors=0`"),
    ],
)
def test_errors_leave_adata_unchanged(adata, options, error, message):
    with assert_unchanged(adata), pytest.raises(error, match=message):
        transfer(adata, **options)


def test_missing_columns_are_named(adata):
    with pytest.raises(KeyError, match=r"no label column 'celltype'.*did you mean 'cell_type'"):
        ld.tl.label_transfer(adata, "celltype", use_rep="X_latent")
    adata.obs["empty"] = np.nan
    with pytest.raises(ValueError, match="holds no label"):
        ld.tl.label_transfer(adata, "empty", use_rep="X_latent")
    del adata.obs["total_umi"]
    with assert_unchanged(adata), pytest.raises(KeyError, match=r"run `ld.pp.depth_metrics"):
        transfer(adata)


def test_what_another_tool_wrote_is_kept(adata):
    for name, slot in (("mine_confidence", "obs"), ("mine", "uns")):
        other = adata.copy()
        getattr(other, slot)[name] = np.zeros(adata.n_obs)
        with assert_unchanged(other), pytest.raises(ValueError, match=rf"adata\.{slot}\['{name}'\] is there already"):
            transfer(other, key_added="mine")


def test_columns_of_an_earlier_run_are_not_left_beside_the_new_one(adata):
    transfer(adata)
    adata.obs["label_transfer_typicality"] = 0.5
    adata.uns["label_transfer_colors"] = ["#000000"] * 3
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(["a", "b", "c"])
    transfer(adata)
    assert "label_transfer_typicality" not in adata.obs
    assert "label_transfer_colors" not in adata.uns


def test_colours_are_copied(adata):
    adata.uns["cell_type_colors"] = ["#000000", "#111111", "#222222"]
    transfer(adata)
    adata.uns["label_transfer_colors"][0] = "#ffffff"
    assert adata.uns["cell_type_colors"][0] == "#000000"


def test_labels_that_read_the_same_are_refused(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object).replace({"type 0": 1, "type 1": "1"})
    with assert_unchanged(adata), pytest.raises(ValueError, match=r"labels that read the same, \[1, '1'\]"):
        transfer(adata)


def test_a_mask_is_taken_by_the_cells_names(adata):
    mask = pd.Series(np.arange(adata.n_obs) % 2 == 0, adata.obs_names)
    expected = transfer(adata.copy(), reference=mask.to_numpy())[0]
    pd.testing.assert_series_equal(transfer(adata, reference=mask.sample(frac=1, random_state=0))[0], expected)


def test_embeddings_of_other_widths(adata):
    reference = adata.copy()
    reference.obsm["X_latent"] = reference.obsm["X_latent"][:, :5]
    with assert_unchanged(adata), pytest.raises(ValueError, match="has 8 columns in adata and 5 in `reference`"):
        transfer(adata, reference=reference)
