"""Cells to refine, and a model of them."""

from __future__ import annotations

import pytest
from refined_cells import cells, train


@pytest.fixture
def adata():
    return cells()


@pytest.fixture
def model(adata):
    return train(adata, gene_likelihood="nb")
