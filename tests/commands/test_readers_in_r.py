"""What the command writes is in the encodings that the readers of Seurat's and Bioconductor's users know.

Those of anndataR 1.0 (``read_h5ad_element``): newer ones know nullable strings too. zellkonverter reads the same.
"""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from finished_cells import cells

from lowdepth._commands._files_of import write

STRINGS = pd.StringDtype(na_value=np.nan)
"""What ``dtype="str"`` is from pandas 3 on."""

KNOWN_IN_R = {
    "anndata",
    "array",
    "categorical",
    "csc_matrix",
    "csr_matrix",
    "dataframe",
    "dict",
    "null",
    "nullable-boolean",
    "nullable-integer",
    "numeric-scalar",
    "rec-array",
    "string",
    "string-array",
}


def encodings(path):
    """Give the encoding of each element of a store."""
    if path.suffix == ".zarr":
        found = {name: element.attrs.get("encoding-type") for name, element in zarr.open(path).members(max_depth=None)}
    else:
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, element: found.update({name: element.attrs.get("encoding-type")}))
    return {name: encoding for name, encoding in found.items() if encoding is not None}  # parts of sparse arrays


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_finished_cells_are_in_known_encodings(suffix, tmp_path):
    adata, _ = cells()
    adata.obs["note"] = pd.array(["seen", pd.NA] * (adata.n_obs // 2), dtype=STRINGS)
    write(adata, tmp_path / f"out{suffix}")
    found = encodings(tmp_path / f"out{suffix}")
    assert len(found) > 100
    assert {name: encoding for name, encoding in found.items() if encoding not in KNOWN_IN_R} == {}


def test_the_command_writes_so(done):
    assert set(encodings(done / "out.h5ad").values()) <= KNOWN_IN_R


def test_embeddings_become_reductions(done):
    """Seurat's are numeric matrices with a row for each cell, which have names of their own."""
    adata = ad.read_h5ad(done / "out.h5ad")
    for key, array in adata.obsm.items():
        assert isinstance(array, np.ndarray), key
        assert (array.ndim, array.dtype.kind) == (2, "f"), key
        assert np.isfinite(array).all(), key
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_strings_that_are_missing_in_uns_are_kept_in_the_newer_format(suffix, tmp_path):
    adata = ad.AnnData(np.ones((2, 2), np.float32))
    adata.uns["notes"] = {"table": pd.DataFrame({"note": pd.array(["seen", pd.NA], dtype=STRINGS)}, index=["a", "b"])}
    path = tmp_path / f"out{suffix}"
    write(adata, path)
    back = {".h5ad": ad.read_h5ad, ".zarr": ad.read_zarr}[suffix](path)
    assert back.uns["notes"]["table"]["note"].isna().tolist() == [False, True]
    assert ad.settings.allow_write_nullable_strings is None
