"""Columns are found, or what is like them is named."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers import counts_adata

from lowdepth import _checks


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


def test_numbers():
    assert _checks.numbers(pd.Series([1, 2]), "it").tolist() == [1.0, 2.0]
    assert _checks.numbers(3, "it").shape == ()
    for values in (["a"], [[1], [1, 2]], [object()]):
        with pytest.raises(ValueError, match=r"^it holds something that is not a number: "):
            _checks.numbers(values, "it")
