"""Raw counts pass as they are, and the first value that is not one is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers import CONTAINERS, counts_adata

from lowdepth import _checks
from lowdepth._checks import _counts


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
    numbers, look = [], _counts._first_bad
    monkeypatch.setattr(_counts, "_first_bad", lambda values: numbers.append(len(values)) or look(values))
    return numbers


@pytest.mark.parametrize("container", CONTAINERS)
def test_normalised_counts_are_found_in_a_sample(container, looked_at):
    counts = CONTAINERS[container](np.full((500, 1000), 0.7, np.float32))
    with pytest.raises(ValueError, match="not a whole number"):
        _checks.check_counts(counts, "adata.X")
    assert len(looked_at) == 1
    assert looked_at[0] <= _counts.SAMPLE


def test_counts_are_looked_at_once_and_bytes_not_at_all(looked_at):
    values = np.ones((500, 1000), np.float32)
    _checks.check_counts(values, "adata.X")
    assert looked_at[0] <= _counts.SAMPLE
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


@pytest.mark.parametrize("given", ["cells.h5ad", {"rna": 1}], ids=type)
def test_other_things_than_an_anndata(given):
    with pytest.raises(TypeError, match=rf"`adata` is a {type(given).__name__}; expected an AnnData"):
        _checks.get_counts(given, None)


def test_empty_cells_are_counted():
    _checks.check_no_empty_cells(np.array([1.0, 5.0]))
    with pytest.raises(ValueError, match=r"2 cells hold no UMI; drop them with `ld\.pp\.filter_low_umi"):
        _checks.check_no_empty_cells(np.array([0.0, 5.0, 0.0]))
