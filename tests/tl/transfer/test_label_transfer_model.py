"""Labels by a model: calibrated, blind to the labels of query cells, and whatever way the reference is named."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata
from scipy.special import entr

import lowdepth as ld

# one test worker trains
pytestmark = pytest.mark.xdist_group("label transfer")

LOW_UMI = 200
METHODS = ["knn", "depth_matched", "posterior"]
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def trained():
    adata = counts_adata(300)
    model = ld.tl.joint_embedding(
        adata, batch_key="batch", n_latent=4, max_epochs=15, batch_size=32, low_umi=LOW_UMI, progress_bar=False
    )
    return adata, model


@pytest.fixture
def adata(trained):
    return trained[0].copy()


@pytest.fixture
def model(trained):
    return trained[1]


def transfer(adata, model=None, **options):
    ld.tl.label_transfer(adata, "cell_type", **{"model": model, "low_umi": LOW_UMI, "n_neighbors": 5, **options})
    return adata.obsm["label_transfer_probability"]


def shallow(adata):
    return np.asarray(adata.X.sum(1)).ravel() < LOW_UMI


@every_method
def test_progress_counts_the_query_cells(adata, model, method, capsys):
    n_query = shallow(adata).sum()
    transfer(adata, model, method=method, progress_bar=True)
    assert f"{n_query}/{n_query}" in capsys.readouterr().err
    transfer(adata, model, method=method, progress_bar=False)
    assert capsys.readouterr().err == ""


@every_method
def test_labels_come_back_and_probabilities_are_probabilities(adata, model, method):
    probability = transfer(adata, model, method=method)
    query, label = shallow(adata), adata.obs["label_transfer"]
    assert (label == adata.obs["cell_type"].astype(label.dtype))[query].mean() > 0.8
    assert probability.dtype == np.float32
    assert (probability >= 0).all()
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)
    categories = adata.uns["label_transfer"]["categories"]
    np.testing.assert_array_equal(label.astype(str), categories[probability.argmax(1)])
    np.testing.assert_allclose(adata.obs["label_transfer_confidence"], probability.max(1), atol=1e-6)
    np.testing.assert_allclose(adata.obs["label_transfer_entropy"], entr(probability).sum(1), atol=1e-5)
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    np.testing.assert_array_equal(probability[~query], np.eye(3)[codes[~query]])


@every_method
def test_labels_of_query_cells_do_not_matter(adata, model, method):
    expected = transfer(adata, model, method=method).copy()
    adata.obs.loc[shallow(adata), "cell_type"] = "type 0"
    np.testing.assert_array_equal(transfer(adata, model, method=method), expected)


@every_method
def test_held_out_cells_are_recorded(adata, model, method):
    transfer(adata, model, method=method)
    record = adata.uns["label_transfer"]
    held_out = record["held_out"]
    n_held_out = len(held_out["label"])
    assert held_out["probability"].shape == (n_held_out, 3)
    assert held_out["total_umi"].shape == (n_held_out,)
    assert held_out["total_umi"].max() < LOW_UMI * 1.5
    assert record["calibration"]["n"].sum() == record["reliability"]["n"].sum() == n_held_out
    assert record["params"]["method"] == method
    assert record["calibration"]["umi_low"][0] == adata.X.sum(1).min()
    np.testing.assert_allclose(record["prior"]["reference"].sum(), 1)
    np.testing.assert_allclose(record["prior"]["query"].sum(1), 1)


@every_method
def test_a_cell_does_not_explain_itself(adata, model, method):
    """Labels that are drawn at random cannot be predicted from the others; from oneself they could."""
    rng = np.random.default_rng(0)
    adata.obs["cell_type"] = pd.Categorical(rng.choice(["a", "b"], adata.n_obs))
    transfer(adata, model, method=method)
    held_out = adata.uns["label_transfer"]["held_out"]
    n_cells = (~shallow(adata)).sum()
    accuracy = (held_out["probability"].argmax(1) == held_out["label"]).mean()
    assert accuracy < 0.5 + 4 * 0.5 / n_cells**0.5


def test_auto_is_posterior_with_a_model(adata, model):
    expected = transfer(adata, model, method="posterior").copy()
    np.testing.assert_array_equal(transfer(adata, model), expected)
    assert adata.uns["label_transfer"]["params"]["method"] == "posterior"


@every_method
def test_ways_to_name_the_reference(adata, model, method):
    expected = transfer(adata, model, method=method).copy()
    adata.obs["deep"] = ~shallow(adata)
    np.testing.assert_array_equal(transfer(adata, model, method=method, reference="deep"), expected)
    np.testing.assert_array_equal(transfer(adata, model, method=method, reference=~shallow(adata)), expected)
    query, reference = adata[shallow(adata)].copy(), adata[~shallow(adata)].copy()
    del query.obs["cell_type"]
    np.testing.assert_array_equal(transfer(query, model, method=method, reference=reference), expected[shallow(adata)])


@every_method
def test_order_of_all_cells_but_within_query_and_reference_does_not_matter(adata, model, method):
    """Depths are drawn from the query in its order; the same order of depths gives the same draws."""
    query = np.flatnonzero(shallow(adata))
    twin = adata[np.concatenate([query, np.flatnonzero(~shallow(adata))])].copy()
    np.testing.assert_allclose(
        transfer(twin, model, method=method)[: len(query)], transfer(adata, model, method=method)[query], atol=1e-4
    )


def test_seed(adata, model):
    one, same, other = (transfer(adata, model, rng=seed).copy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_slots_survive_a_file(adata, model, kind, tmp_path):
    probability = transfer(adata, model)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    np.testing.assert_array_equal(read.obsm["label_transfer_probability"], probability)
    for name in ("calibration", "reliability"):
        pd.testing.assert_frame_equal(
            read.uns["label_transfer"][name], adata.uns["label_transfer"][name], check_index_type=False
        )


@every_method
def test_one_reference_cell_of_a_type(adata, model, method):
    kind = adata.obs["cell_type"].to_numpy() == "type 2"
    drop = np.flatnonzero(kind & ~shallow(adata))[1:]
    rest = adata[np.setdiff1d(np.arange(adata.n_obs), drop)].copy()
    probability = transfer(rest, model, method=method)
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)
    assert (rest.uns["label_transfer"]["held_out"]["label"] != 2).all()


def test_a_type_of_one_deep_and_many_shallow_cells_is_found(adata, model):
    query, kind = shallow(adata), adata.obs["cell_type"].to_numpy() == "type 2"
    rest = adata[np.setdiff1d(np.arange(adata.n_obs), np.flatnonzero(kind & ~query)[1:])].copy()
    query = shallow(rest)
    ld.pp.thin_to_depth(rest, np.where(query, 12, 10**6), rng=0)
    rest = rest[np.asarray(rest.X.sum(1)).ravel() > 0].copy()
    query, own = shallow(rest), (rest.obs["cell_type"] == "type 2").to_numpy()
    uncorrected = transfer(rest, model, label_shift=False)[own & query, 2].mean()
    corrected = transfer(rest, model)[own & query, 2].mean()
    assert corrected > max(0.6, uncorrected + 0.05)
    assert rest.uns["label_transfer"]["prior"]["query"][0, 2] == pytest.approx(own[query].mean(), abs=0.15)


def test_copy(adata, model):
    with assert_unchanged(adata):
        changed = ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=LOW_UMI, copy=True)
    assert "label_transfer" in changed.obs


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": None}, ValueError, "either `model=`.*or `use_rep=`"),
        ({"use_rep": "X_pca"}, ValueError, "either `model=`.*or `use_rep=`"),
        ({"model": None, "use_rep": "X_pca", "method": "posterior"}, ValueError, "'posterior'` needs `model=`"),
        ({"method": "posteriour"}, ValueError, "did you mean 'posterior'"),
        ({"model": "model"}, TypeError, "`model` is a str"),
        ({"reference": "nobody"}, KeyError, "no column 'nobody'"),
        ({"reference": "cell_type"}, ValueError, r"obs\['cell_type'\] has dtype object and shape .* expected 300 bool"),
        ({"reference": np.ones(7, bool)}, ValueError, r"shape \(7,\); expected 300 booleans"),
        ({"reference": np.ones(300, bool)}, ValueError, "no usable query cell: `reference` has to"),
        ({"reference": np.zeros(300, bool)}, ValueError, "no usable reference cell with a label"),
        ({"low_umi": 1e6}, ValueError, "no usable deep cell at or above"),
        ({"n_neighbors": 0}, ValueError, "`n_neighbors=0`"),
        ({"n_references": 0}, ValueError, "`n_references=0`"),
        ({"layer": "counts"}, KeyError, "no layer 'counts'"),
        ({"reference": np.arange(300) < 3, "n_neighbors": 2}, ValueError, "no type has two reference cells"),
    ],
)
def test_errors_leave_adata_unchanged(adata, model, options, error, message):
    with assert_unchanged(adata), pytest.raises(error, match=message):
        transfer(adata, **{"model": model, **options})
