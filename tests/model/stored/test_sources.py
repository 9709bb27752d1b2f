"""Cells in files are read block by block, as they would be in memory."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from annbatch import DatasetCollection
from helpers import counts_adata, dense
from stores import written

from lowdepth.model.stored._sources import open_sources


def read_lazily(path):
    return ad.experimental.read_lazy(path)


def listed(path):
    return [str(path)]


def collected(path):
    return DatasetCollection(path.with_name("own.zarr")).add_adatas(
        [path], dataset_size=30, shuffle_chunk_size=10, shuffle=False, rng=np.random.default_rng(0)
    )


@pytest.mark.parametrize("given", [str, lambda path: path, listed, read_lazily])
@pytest.mark.parametrize("format", ["h5ad", "zarr"])
@pytest.mark.parametrize("layer", [None, "counts"])
def test_all_that_holds_cells_is_read(tmp_path, given, format, layer):
    adata = counts_adata()
    adata.layers["counts"] = adata.X * 2
    (source,) = open_sources(given(written(adata, tmp_path / f"cells.{format}")), layer, ["batch"])
    np.testing.assert_array_equal(dense(source.counts), dense(adata.X if layer is None else adata.layers[layer]))
    assert source.counts.dtype == source.block(0).dtype == np.float32
    assert source.block(0).has_sorted_indices
    assert source.var_names == list(adata.var_names)
    assert source.n_obs == adata.n_obs
    assert list(source.obs.columns) == ["batch"]
    np.testing.assert_array_equal(source.obs["batch"], adata.obs["batch"])


@pytest.mark.filterwarnings(
    "ignore:Consolidated metadata is currently not part"
)  # zarr says so of what annbatch writes
def test_a_collection_is_read_in_its_order(tmp_path):
    adata = counts_adata()
    sources = open_sources(collected(written(adata, tmp_path / "cells.zarr")), None, ["batch"])
    assert len(sources) == 2
    counts = np.concatenate([dense(source.counts) for source in sources])
    batches = np.concatenate([source.obs["batch"] for source in sources])
    order = [next(i for i in range(60) if (dense(adata.X)[i] == row).all()) for row in counts]
    assert sorted(order) == list(range(60))
    np.testing.assert_array_equal(batches, adata.obs["batch"].iloc[order])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_dense_and_sparse_counts_give_the_same(tmp_path, container):
    adata = counts_adata()
    expected = dense(adata.X)
    adata.X = container(expected.astype(np.int32))
    (source,) = open_sources(written(adata, tmp_path / "cells.zarr"), None, [])
    np.testing.assert_array_equal(dense(source.counts), expected)


def test_no_file_of_that_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*none\.zarr'"):
        open_sources(tmp_path / "none.zarr", None, [])


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "cells.csv").write_text("gene,1,2")
    with pytest.raises(ValueError, match=r"cells\.csv' is neither an h5ad file nor a zarr store"):
        open_sources(tmp_path / "cells.csv", None, [])


@pytest.mark.parametrize(("data", "expected"), [(3, "the cells are a int"), ({"a": 1}, "the cells are a dict")])
def test_something_else(data, expected):
    with pytest.raises(TypeError, match=expected):
        open_sources(data, None, [])


def test_no_files():
    with pytest.raises(ValueError, match="there are no cells"):
        open_sources([], None, [])


def test_cells_in_memory():
    with pytest.raises(TypeError, match="are in memory; pass a path"):
        open_sources([counts_adata()], None, [])


def test_no_layer_of_that_name(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.zarr")
    with pytest.raises(KeyError, match="there is no layer 'counts'"):
        open_sources(path, "counts", [])


def test_no_column_of_that_name(tmp_path):
    paths = [written(counts_adata(), tmp_path / f"{i}.h5ad") for i in range(2)]
    other = ad.read_h5ad(paths[1])
    del other.obs["batch"]
    written(other, paths[1])
    with pytest.raises(KeyError, match=r"no column 'batch' in obs of .*1\.h5ad \(present: 'cell_type'\)"):
        open_sources(paths, None, ["batch"])


def test_other_genes(tmp_path):
    one, other = counts_adata(), counts_adata()
    other.var_names = ["new", *other.var_names[1:]]
    paths = [written(one, tmp_path / "one.h5ad"), written(other, tmp_path / "other.zarr")]
    with pytest.raises(
        ValueError, match=r"other\.zarr has not the genes .* 1 of 40 are missing \['gene 0'\], 1 are unknown \['new'\]"
    ):
        open_sources(paths, None, [])


def test_another_order_of_genes(tmp_path):
    adata = counts_adata()
    paths = [written(adata, tmp_path / "one.h5ad"), written(adata[:, ::-1].copy(), tmp_path / "other.h5ad")]
    with pytest.raises(ValueError, match="another order: gene 0 is 'gene 39', expected 'gene 0'"):
        open_sources(paths, None, [])


def test_counts_by_gene(tmp_path):
    adata = counts_adata(20, 1500)
    adata.X = sp.csc_matrix(adata.X)
    with pytest.raises(NotImplementedError, match="lie gene by gene"):
        open_sources(written(adata, tmp_path / "cells.h5ad"), None, [])


@pytest.mark.parametrize(("value", "expected"), [(-1, "negative"), (0.5, "not a whole number")])
def test_no_counts(tmp_path, value, expected):
    adata = counts_adata()
    adata.X[3, 4] = value
    (source,) = open_sources(written(adata, tmp_path / "cells.zarr"), None, [])
    with pytest.raises(ValueError, match=expected):
        source.block(0)


def test_a_cell_without_umis(tmp_path):
    adata = counts_adata()
    adata.X = sp.csr_matrix(dense(adata.X) * (np.arange(60) != 3)[:, None])
    (source,) = open_sources(written(adata, tmp_path / "cells.zarr"), None, [])
    with pytest.raises(ValueError, match=r"1 cells of .*cells\.zarr hold no UMI"):
        source.block(0)
