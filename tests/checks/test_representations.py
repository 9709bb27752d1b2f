"""Representations are found, or what is there is named."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from helpers import counts_adata

from lowdepth import _checks


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
