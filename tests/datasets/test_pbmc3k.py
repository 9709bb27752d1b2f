"""The shipped data."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy.sparse import csr_matrix

import lowdepth as ld

DATA = Path(ld.datasets.__file__).parent / "_data"
SOURCE = Path(__file__).parents[3] / "shared" / "data" / "pbmc3k_2638.h5ad"

# one gene for each type that the script which named the clusters did not look at
UNUSED_MARKERS = {
    "NK": "GZMB",
    "B": "TCL1A",
    "CD14 monocyte": "FCN1",
    "FCGR3A monocyte": "RHOC",
    "dendritic": "HLA-DQB2",
    "megakaryocyte": "CLU",
}


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return ld.datasets.pbmc3k()


def test_holds_raw_counts(adata: ad.AnnData) -> None:
    assert adata.shape == (2638, 13714)
    assert isinstance(adata.X, csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.X.has_sorted_indices
    assert (adata.X.data >= 1).all()
    assert (adata.X.data % 1 == 0).all()
    assert np.median(np.asarray(adata.X.sum(axis=1))) == 2213


def test_names_are_unique_and_indices_unnamed(adata: ad.AnnData) -> None:
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert adata.obs_names.name is None
    assert adata.var_names.name is None
    assert adata.var["gene_id"].str.startswith("ENSG").all()


def test_has_nine_types_without_gaps(adata: ad.AnnData) -> None:
    cell_type = adata.obs["cell_type"]
    assert list(cell_type.cat.categories) == [
        "naive CD4 T",
        "memory CD4 T",
        "CD8 T",
        "NK",
        "B",
        "CD14 monocyte",
        "FCGR3A monocyte",
        "dendritic",
        "megakaryocyte",
    ]
    assert not cell_type.isna().any()
    assert cell_type.value_counts().min() >= 10


@pytest.mark.parametrize(("cell_type", "gene"), UNUSED_MARKERS.items())
def test_types_express_markers_that_did_not_name_them(adata: ad.AnnData, cell_type: str, gene: str) -> None:
    share = np.asarray(adata[:, gene].X.sum(axis=1) / adata.X.sum(axis=1)).ravel()
    means = {name: share[adata.obs["cell_type"] == name].mean() for name in adata.obs["cell_type"].cat.categories}
    assert max(means, key=means.get) == cell_type


def test_each_call_gives_fresh_data(adata: ad.AnnData) -> None:
    other = ld.datasets.pbmc3k()
    other.X.data[:] = 0
    assert adata.X.data.min() >= 1
    assert ld.datasets.pbmc3k().X.data.min() >= 1


def test_shipped_file_is_small_and_attributed() -> None:
    assert (DATA / "pbmc3k.h5ad").stat().st_size < 6.5e6
    notice = (DATA / "LICENSE-pbmc3k.md").read_text()
    for part in ("3k PBMCs from a Healthy Donor", "10x Genomics", "https://creativecommons.org/licenses/by/4.0/"):
        assert part in notice


@pytest.mark.skipif(not SOURCE.exists(), reason=f"the counts it was made from are not at {SOURCE}")
def test_counts_are_those_of_the_source(adata: ad.AnnData) -> None:
    source = ad.read_h5ad(SOURCE)
    assert (source.X != adata.X).nnz == 0
    np.testing.assert_array_equal(source.obs_names, adata.obs_names)
    np.testing.assert_array_equal(source.var_names, adata.var_names)
    np.testing.assert_array_equal(source.var["gene_id"], adata.var["gene_id"])
