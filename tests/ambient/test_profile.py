"""What users know of ambient RNA becomes one number for each gene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from lowdepth._ambient import ambient_counts


def cells(n_vars=4):
    return AnnData(np.ones((2, n_vars), np.float32), var=pd.DataFrame(index=[f"gene {j}" for j in range(n_vars)]))


def test_empty_droplets_are_summed_up_gene_by_gene():
    empty = cells(5)[:, [4, 2, 0, 3, 1]].copy()
    empty.X = np.array([[9, 2, 0, 3, 1], [9, 0, 1, 0, 0]], np.float32)
    assert ambient_counts(empty, cells()).tolist() == [1, 1, 2, 3]
    empty.X = sp.csr_matrix(empty.X)
    assert ambient_counts(empty, cells()).tolist() == [1, 1, 2, 3]


def test_a_series_is_taken_gene_by_gene():
    profile = pd.Series([3.0, 9, 1, 0, 2], [f"gene {j}" for j in (3, 7, 1, 0, 2)])
    assert ambient_counts(profile, cells()).tolist() == [0, 1, 2, 3]
    assert ambient_counts([0, 1, 2, 3], cells()).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("profile", "match"),
    [
        ([1, 2], r"shape \(2,\); expected one number for each of 4 genes"),
        ([1, 2, 3, -1], "negative or not finite"),
        ([1, 2, 3, np.nan], "negative or not finite"),
        ([0, 0, 0, 0], "only zeros"),
        (["a", "b", "c", "d"], "not a number"),
        (cells(3), "lacks 1 genes of adata, e.g. 'gene 3'"),
        (pd.Series([1.0, 2, 3, 4]), "lacks 4 genes of adata, e.g. 'gene 0'"),
        (pd.Series(1.0, [*cells().var_names, "gene 2"]), "has the gene 'gene 2' twice"),
    ],
)
def test_bad_profiles(profile, match):
    with pytest.raises(ValueError, match=match):
        ambient_counts(profile, cells())
