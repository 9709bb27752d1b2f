"""Curves of an embedding whose recovery is known, or can be worked out by brute force."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import CONTAINERS, assert_unchanged, counts_adata
from known_models import ConstantModel, DirectionModel, train
from scipy import stats

import lowdepth as ld
from lowdepth.tl._cells._deep_cells import N_FOLDS, grid_of, labelled_deep_cells, with_folds
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cutoff._recovered_types import recovered_types

LOW_UMI = 150


@pytest.fixture
def adata():
    return counts_adata(300, depth=400.0)


@pytest.fixture(scope="module")
def direction():
    return train(counts_adata(), DirectionModel)


@pytest.fixture(scope="module")
def constant():
    return train(counts_adata(), ConstantModel)


def curve_of(adata, model, **options):
    options = {"low_umi": LOW_UMI, "n_bootstrap": 50, "progress_bar": False, **options}
    return ld.tl.recovery_curve(adata, model, "cell_type", **options)


def test_an_embedding_that_says_nothing_recovers_one_type_per_fold(adata, constant):
    # all cells lie in one place, where the neighbours of a fold are the same for all of its cells
    curve = curve_of(adata, constant, depths=[30, 100])
    accuracy = curve.overall["accuracy"].to_numpy()
    assert accuracy[0] == accuracy[1]
    n_cells = adata.obs["cell_type"][adata.X.sum(axis=1).A1 >= LOW_UMI].value_counts()
    # the commonest type in each fold, of which a fold holds its fifth to within one cell
    assert accuracy[0] <= (n_cells.max() + N_FOLDS) / n_cells.sum()
    assert curve.overall["balanced_accuracy"].max() < 0.5


def test_types_without_shared_genes_are_recovered_wherever_a_umi_is_left(adata, direction):
    # the law of what is left: a cell of n UMIs loses all of them with probability (1 - d / n)^n
    counts = adata.X.toarray()
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    counts *= np.arange(adata.n_vars) % 3 == codes[:, None]
    adata.X = CONTAINERS["csr_matrix"](counts)
    total = counts.sum(axis=1)
    low_umi = float(np.quantile(total, 0.3))
    curve = curve_of(adata, direction, depths=[1, 3, low_umi], low_umi=low_umi, n_neighbors=1)
    deep = total[total >= low_umi]
    expected = np.array([(1 - (1 - depth / deep) ** deep).mean() for depth in (1, 3, low_umi)])
    n = len(deep)
    observed = (curve.overall["accuracy"] * n).round().to_numpy()
    for successes, share in zip(observed, expected, strict=True):
        assert stats.binomtest(int(successes), n, min(share, 1)).pvalue > 1e-4


def test_votes_are_those_of_the_other_folds(adata, direction):
    cells = ModelCells(adata.X, adata.obs, adata.var)
    cells, codes = labelled_deep_cells(cells, pd.Categorical(adata.obs["cell_type"]), low_umi=LOW_UMI)
    generator = np.random.default_rng(3)
    deep = with_folds(cells, codes, max_obs=40, generator=generator)
    again = np.random.default_rng(5)
    options = {"n_neighbors": 5, "generator": np.random.default_rng(5), "progress": Progress()}
    predicted = recovered_types(deep, direction, np.array([30.0]), **options)

    thinned, rows = cells.thinned(deep.judged, np.full(40, 30.0), again)
    latent, places = cells.embedded(direction), thinned.embedded(direction)
    for row, place in zip(rows, places, strict=True):
        others = np.flatnonzero(deep.fold != deep.fold[row])
        near = others[((latent[others] - place) ** 2).sum(axis=1).argsort()[:5]]
        assert predicted[np.searchsorted(deep.judged, row), 0] == np.bincount(codes[near]).argmax()


class Progress:
    """Counts nothing."""

    def update(self):
        """Do nothing."""


def test_folds_deal_out_each_type_and_leave_single_cells_unjudged():
    cells, codes = ModelCells(None, None, None), np.repeat([0, 1, 2], [23, 10, 1])
    deep = with_folds(cells, codes, max_obs=1000, generator=np.random.default_rng(0))
    assert deep.judged.tolist() == list(range(33))
    for code in (0, 1):
        sizes = np.bincount(deep.fold[codes == code], minlength=N_FOLDS)
        assert np.ptp(sizes) <= 1


def test_more_umis_are_easier_and_the_intervals_hold_the_curve(adata, direction):
    overall = curve_of(adata, direction, depths=[3, 150]).overall
    assert overall["accuracy"].is_monotonic_increasing
    for figure in ("accuracy", "balanced_accuracy"):
        assert (overall[f"{figure}_low"] <= overall[figure]).all()
        assert (overall[figure] <= overall[f"{figure}_high"]).all()


def test_accuracy_is_the_mean_of_the_recalls_weighted_by_cells(adata, direction):
    curve = curve_of(adata, direction, depths=[10, 100])
    by_depth = curve.per_type.assign(right=curve.per_type["recall"] * curve.per_type["n"]).groupby("depth")
    np.testing.assert_allclose(by_depth["right"].sum() / by_depth["n"].sum(), curve.overall["accuracy"])
    np.testing.assert_allclose(by_depth["recall"].mean(), curve.overall["balanced_accuracy"])


def test_models_see_the_same_thinned_cells(adata, direction, constant):
    curve = curve_of(adata, {"one": direction, "constant": constant, "two": direction})
    frame = curve.to_frame()
    assert frame.columns.to_list() == ["one", "constant", "two"]
    np.testing.assert_array_equal(frame["one"], frame["two"])
    assert (frame["one"] > frame["constant"]).any()


def test_labels_of_shallow_cells_are_not_used(adata, direction):
    curve = curve_of(adata, direction)
    other = adata.copy()
    shallow = other.X.sum(axis=1).A1 < LOW_UMI
    other.obs["cell_type"] = other.obs["cell_type"].where(~shallow)
    pd.testing.assert_frame_equal(curve_of(other, direction).overall, curve.overall)


def test_the_order_of_the_cells_does_not_matter(adata, direction):
    shuffled = adata[np.random.default_rng(4).permutation(adata.n_obs)].copy()
    one, other = (curve_of(cells, direction, max_obs=30).overall for cells in (adata, shuffled))
    pd.testing.assert_frame_equal(one, other)


def test_the_encoder_of_a_model(adata):
    adata = ld.datasets.simulate(200, 300, rng=0)
    model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    curve = ld.tl.recovery_curve(adata, model, "cell_type", low_umi=500, n_bootstrap=20, progress_bar=False)
    assert curve.overall["accuracy"].between(0, 1).all()
    assert "JointEmbedding" in repr(curve)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, direction, kind, tmp_path):
    managers, state = set(direction._per_instance_manager_store[direction.id]), torch.get_rng_state()
    curve = curve_of(adata, direction, key_added="curve")
    assert torch.equal(torch.get_rng_state(), state)
    assert set(direction._per_instance_manager_store[direction.id]) == managers
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata").uns["curve"]
    assert read["params"]["models"].tolist() == ["DirectionModel"]
    np.testing.assert_array_equal(read["overall"]["accuracy"], curve.overall["accuracy"])


def test_usual_depths():
    assert grid_of(None, 1000).tolist() == [20, 30, 50, 100, 200, 300, 500, 1000]
    assert grid_of(None, 10).tolist() == [10]
    assert grid_of([50, 20, 50], 100).tolist() == [20, 50]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"depths": [0, 10]}, ValueError, r"`depths` holds 0\.0"),
        ({"depths": [10, 151]}, ValueError, r"`depths` holds 151\.0.*`low_umi=150`"),
        ({"depths": [np.nan]}, ValueError, "`depths` holds nan"),
        ({"depths": []}, ValueError, "`depths` is empty"),
        ({"max_obs": 0}, ValueError, "`max_obs=0`"),
        ({"n_neighbors": 0}, ValueError, "`n_neighbors=0`"),
        ({"n_neighbors": 290}, ValueError, "too few for `n_neighbors=290`"),
        ({"low_umi": 1e6, "depths": [10]}, ValueError, "0 cells at or above"),
        ({"model": {}}, ValueError, "`model` holds no model"),
        ({"model": "scvi"}, TypeError, "`model` is a str"),
        ({"layer": "spliced"}, KeyError, "no layer 'spliced'"),
    ],
)
def test_bad_options(adata, direction, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        curve_of(adata, **{"model": direction, **options})


def test_types_of_one_cell_each(adata, direction):
    adata.obs["cell_type"] = pd.Categorical(adata.obs_names)
    with assert_unchanged(adata), pytest.raises(ValueError, match="no type has two cells"):
        curve_of(adata, direction)
