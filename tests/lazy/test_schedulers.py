"""The same counts, embeddings and labels as in memory, whoever computes the blocks."""

from __future__ import annotations

from functools import partial

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from dask_support import CALLS, assert_close
from helpers import SLOTS, assert_same, counts_adata, dense

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
def test_preprocessing(name, scheduler):
    adata = counts_adata()
    expected = FUNCTIONS[name](adata, copy=True)
    adata.X = da.from_array(sp.csr_array(adata.X), chunks=(25, 17))
    FUNCTIONS[name](adata)
    assert_same(expected.obs, adata.obs)
    assert_same(expected.uns, adata.uns)
    for layer, counts in expected.layers.items():
        assert isinstance(adata.layers[layer], da.Array)
        np.testing.assert_array_equal(dense(adata.layers[layer]), dense(counts))


@pytest.fixture(scope="module")
def labelled(model):
    adata = model.adata.copy()
    unthinned(adata)
    for name in ("tl.refine_low_umi", "tl.label_transfer"):
        CALLS[name](adata, model)
    return adata


def unthinned(adata):
    """Thin cells to more than they have: workers run our code, and give the counts that there were."""
    ld.pp.thin_to_depth(adata, 1e9, rng=0)


def test_a_model_sees_what_the_workers_compute(model, labelled, scheduler):
    adata = model.adata.copy()
    adata.X = da.from_array(sp.csr_array(adata.X), chunks=(50, 17))
    unthinned(adata)
    np.testing.assert_array_equal(model.get_latent_representation(adata), model.get_latent_representation())
    for name in ("tl.refine_low_umi", "tl.label_transfer"):
        CALLS[name](adata, model)
    for slot in SLOTS:
        assert_close(getattr(labelled, slot), getattr(adata, slot), slot)
