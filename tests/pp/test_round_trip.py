"""What is written into an AnnData comes back from the files that people keep it in."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from helpers import SLOTS, assert_same, counts_adata, dense

import lowdepth as ld


@pytest.mark.parametrize("file_format", ["h5ad", "zarr"])
def test_round_trip(file_format, tmp_path):
    adata = counts_adata()
    adata.layers["counts"] = adata.X.copy()
    ld.pp.emulate_low_depth(adata, layer="counts", rng=0)
    ld.pp.thin_to_depth(adata, 30, key_added="thin", rng=0)
    ld.pp.split_counts(adata, rng=0)
    ld.pp.depth_metrics(adata, low_umi=100, layer="counts")
    ld.pp.filter_low_umi(adata, 25, layer="counts")

    path = tmp_path / f"counts.{file_format}"
    getattr(adata, f"write_{file_format}")(path)
    back = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}[file_format](path)

    for slot in set(SLOTS) - {"uns", "layers"}:
        assert_same(getattr(adata, slot), getattr(back, slot), slot)
    for name in adata.layers:
        np.testing.assert_array_equal(dense(adata.layers[name]), dense(back.layers[name]))
    np.testing.assert_equal(back.uns, adata.uns)
    assert back.uns["depth_metrics"]["params"] == {"low_umi": 100, "layer": "counts"}
