"""The checks themselves; what they mean to each function is tested where the functions are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from helpers import CONTAINERS, assert_same, assert_unchanged, counts_adata

from lowdepth import _checks


@pytest.mark.parametrize("dtype", [bool, "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_counts_of_every_dtype_pass(container, dtype):
    counts = CONTAINERS[container](np.array([[0, 1], [3, 0]]).astype(dtype))
    assert _checks.check_counts(counts, "adata.X") is counts


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 4999, 9999])
def test_one_bad_value_is_found_wherever_it_is(bad, place):
    values = np.ones(10_000)
    values[place] = bad
    for counts in (values.reshape(100, 100), values.reshape(100, 100).T, sp.csr_matrix(values.reshape(100, 100))):
        with pytest.raises(ValueError, match=f"the matrix holds .*{bad}"):
            _checks.check_counts(counts, "the matrix")


@pytest.fixture
def looked_at(monkeypatch):
    """Record how many values each look is at."""
    numbers, look = [], _checks._first_bad
    monkeypatch.setattr(_checks, "_first_bad", lambda values: numbers.append(len(values)) or look(values))
    return numbers


@pytest.mark.parametrize("container", CONTAINERS)
def test_normalised_counts_are_found_in_a_sample(container, looked_at):
    counts = CONTAINERS[container](np.full((500, 1000), 0.7, np.float32))
    with pytest.raises(ValueError, match="not a whole number"):
        _checks.check_counts(counts, "adata.X")
    assert len(looked_at) == 1
    assert looked_at[0] <= _checks.SAMPLE


def test_counts_are_looked_at_once_and_bytes_not_at_all(looked_at):
    values = np.ones((500, 1000), np.float32)
    _checks.check_counts(values, "adata.X")
    assert looked_at[0] <= _checks.SAMPLE
    assert looked_at[1:] == [values.size]
    _checks.check_counts(values.astype(np.uint8), "adata.X")
    assert len(looked_at) == 2


@pytest.mark.parametrize("value", [np.nextafter(np.float32(1), np.float32(2)), np.float32(2**22 + 0.5), 2**51 + 0.5])
def test_nothing_is_rounded(value):
    with pytest.raises(ValueError, match="not a whole number"):
        _checks.check_counts(np.array([[1, value]], np.asarray(value).dtype), "adata.X")


def test_negative_integers_are_found():
    with pytest.raises(ValueError, match="negative value -3;"):
        _checks.check_counts(np.array([[1, -3]]), "adata.X")


def test_big_and_empty_counts_pass():
    for counts in (np.array([[2.0**40]]), np.array([[2**62]]), sp.csr_matrix((3, 2)), np.zeros((0, 5))):
        assert _checks.check_counts(counts, "adata.X") is counts


def test_counts_are_not_copied():
    adata = counts_adata()
    adata.layers["counts"] = adata.X.copy()
    assert _checks.get_counts(adata, None) is adata.X
    assert _checks.get_counts(adata, "counts") is adata.layers["counts"]


def test_unknown_container_is_refused_by_name():
    adata = counts_adata()
    adata.layers._data["table"] = pd.DataFrame(adata.X.toarray())  # past anndata's own checks, as a GPU array would be
    with pytest.raises(TypeError, match=r"adata\.layers\['table'\] is a DataFrame; use a numpy array"):
        _checks.get_counts(adata, "table")


@pytest.mark.parametrize("container", CONTAINERS)
def test_total_umis_are_exact(container):
    # sums that float32 and uint8 cannot hold
    wide = np.array([[2**24, 1, 0], [0, 0, 0]], np.float32)
    totals = _checks.total_umis(CONTAINERS[container](wide))
    assert (totals.dtype, totals.tolist()) == (np.float64, [2**24 + 1, 0])
    assert _checks.total_umis(CONTAINERS[container](np.full((1, 3), 255, np.uint8))).tolist() == [765]


def test_empty_cells_are_counted():
    _checks.check_no_empty_cells(np.array([1.0, 5.0]))
    with pytest.raises(ValueError, match=r"2 cells hold no UMI; drop them with `ld\.pp\.filter_low_umi"):
        _checks.check_no_empty_cells(np.array([0.0, 5.0, 0.0]))


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match="careful") as caught:
        _checks.warn("careful")
    assert caught[0].filename == __file__


def test_writable_gives_the_object_itself():
    adata = counts_adata()
    assert _checks.writable(adata, copy=False) is adata


def test_writable_copy_shares_nothing():
    adata = counts_adata()
    with assert_unchanged(adata):
        copied = _checks.writable(adata, copy=True)
        copied.X.data[:] = 0
        copied.obs["new"] = 1
        copied.uns["record"]["params"]["n"] = 2


def test_writable_materialises_views():
    adata = counts_adata()
    view = adata[:10]
    expected = view.copy()
    with pytest.warns(UserWarning, match=r"^Received a view of an AnnData. Making a copy.$"):
        assert _checks.writable(view, copy=False) is view
    assert not view.is_view
    assert_same(expected.X, view.X)
    assert not _checks.writable(adata[:10], copy=True).is_view  # without a warning: the copy was asked for


def test_columns():
    adata = counts_adata()
    adata.var["alpha"] = 0.5
    assert _checks.obs_column(adata, "batch") is not None
    assert _checks.var_column(adata, "alpha").tolist() == [0.5] * 40
    with pytest.raises(KeyError, match=r"there is no column 'bach' in adata\.obs .*did you mean 'batch'\?"):
        _checks.obs_column(adata, "bach")
    with pytest.raises(KeyError, match=r"there is no thing 'q' in adata\.obs \(present: 'cell_type', 'batch'\)"):
        _checks.obs_column(adata, "q", what="thing")
    with pytest.raises(KeyError, match=r"there is no column 'beta' in adata\.var \(present: 'alpha'\)"):
        _checks.var_column(adata, "beta")


def test_labels_keep_what_is_missing():
    adata = counts_adata(4)
    adata.obs["label"] = ["a", None, "b", "a"]
    labels = _checks.labels(adata, "label")
    assert labels.categories.tolist() == ["a", "b"]
    assert labels.codes.tolist() == [0, -1, 1, 0]
    adata.obs["label"] = pd.Categorical([None] * 4, ["a"])
    with pytest.raises(ValueError, match=r"adata\.obs\['label'\] holds no label: all 4 values are missing"):
        _checks.labels(adata, "label")
    with pytest.raises(KeyError, match=r"there is no label column 'labels' in adata\.obs .*did you mean 'label'\?"):
        _checks.labels(adata, "labels")


def test_representation():
    adata = counts_adata()
    assert _checks.representation(adata, "X_pca").shape == (60, 2)
    with pytest.raises(KeyError, match=r"there is no representation 'pca' in adata\.obsm .*did you mean 'X_pca'\?"):
        _checks.representation(adata, "pca")


def test_nothing_present():
    with pytest.raises(KeyError, match=r"there is no representation 'X_pca' in adata\.obsm \(present: nothing\)"):
        _checks.representation(AnnData(np.ones((2, 2))), "X_pca")


def test_long_lists_are_cut():
    adata = counts_adata(3)
    for i in range(12):
        adata.obsm[f"X_{i}"] = np.zeros((3, 1))
    with pytest.raises(KeyError, match=r"\(present: 'X_pca', .*'X_8', …\)"):
        _checks.representation(adata, "tsne")


def test_numbers():
    assert _checks.numbers(pd.Series([1, 2]), "it").tolist() == [1.0, 2.0]
    assert _checks.numbers(3, "it").shape == ()
    for values in (["a"], [[1], [1, 2]], [object()]):
        with pytest.raises(ValueError, match=r"^it holds something that is not a number: "):
            _checks.numbers(values, "it")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number$"):
        _checks.finite("x", value)
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number of at least 0"):
        _checks.at_least("x", value, 0)


def test_bounds_are_included():
    _checks.at_least("x", 0, 0)
    _checks.finite("x", -1e300)
    with pytest.raises(ValueError, match=r"`x=-0\.1`"):
        _checks.at_least("x", -0.1, 0)


def test_choices():
    _checks.one_of("preset", "paper", ["paper", "scvi"])
    with pytest.raises(ValueError, match=r"there is no preset 'papper' in the choices .*did you mean 'paper'\?"):
        _checks.one_of("preset", "papper", ["paper", "scvi"])


@pytest.mark.parametrize("given", ["cells.h5ad", {"rna": 1}], ids=type)
def test_other_things_than_an_anndata(given):
    with pytest.raises(TypeError, match=rf"`adata` is a {type(given).__name__}; expected an AnnData"):
        _checks.get_counts(given, None)
