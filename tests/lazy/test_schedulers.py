"""Preprocessing gives the same counts and depths as in memory, whoever computes the blocks and however they are cut."""

from __future__ import annotations

from functools import partial

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from helpers import assert_same, counts_adata, dense

import lowdepth as ld

# in one process: two clusters at once would want one port
pytestmark = pytest.mark.xdist_group("cluster")

FUNCTIONS = {
    "depth_metrics": ld.pp.depth_metrics,
    "emulate_low_depth": partial(ld.pp.emulate_low_depth, rng=0),
    "filter_low_umi": partial(ld.pp.filter_low_umi, min_umi=150),
    "split_counts": partial(ld.pp.split_counts, overdispersion=np.full(40, 0.2), rng=0),
    "thin_to_depth": partial(ld.pp.thin_to_depth, target_depth=60, rng=0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_as_in_memory(name, scheduler):
    adata = counts_adata()
    expected = FUNCTIONS[name](adata, copy=True)
    adata.X = da.from_array(sp.csr_array(adata.X), chunks=(25, 17))
    FUNCTIONS[name](adata)
    assert_same(expected.obs, adata.obs)
    assert_same(expected.uns, adata.uns)
    for layer, counts in expected.layers.items():
        assert isinstance(adata.layers[layer], da.Array)
        np.testing.assert_array_equal(dense(adata.layers[layer]), dense(counts))
