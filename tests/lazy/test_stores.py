"""Cells that were opened lazily on the disk: the same results, in a fraction of the memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata as ad
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from dask_support import CALLS, assert_close
from helpers import counts_adata, dense

import lowdepth as ld

STEPS = ("pp.depth_metrics", "tl.refine_low_umi", "tl.label_transfer", "tl.map_query", "tl.label_transfer_score")


@pytest.fixture(scope="module")
def expected(model):
    adata = model.adata.copy()
    for name in STEPS:
        CALLS[name](adata, model)
    return adata


def read_elements(path):
    """Read the counts lazily, the rest at once."""
    group = zarr.open(path, mode="r")
    counts = ad.experimental.read_elem_lazy(group["X"], chunks=(50, 40))
    rest = {slot: ad.io.read_elem(group[slot]) for slot in ("obs", "var", "obsm", "uns")}
    return ad.AnnData(counts, **rest)


@pytest.mark.parametrize("read", [ad.experimental.read_lazy, read_elements])
def test_lazily_read(read, model, expected, tmp_path):
    model.adata.write_zarr(tmp_path / "cells.zarr")
    adata = read(tmp_path / "cells.zarr")
    for name in STEPS:
        CALLS[name](adata, model)
    assert isinstance(adata.X, da.Array)
    obs = adata.obs.to_memory() if hasattr(adata.obs, "to_memory") else adata.obs
    assert set(obs.columns) == set(expected.obs.columns)
    for column in obs:
        assert_close(expected.obs[column].to_numpy(), obs[column].to_numpy(), column)
    for key in ("X_joint_embedding_refined", "label_transfer_probability", "mapped_probability"):
        assert_close(expected.obsm[key], adata.obsm[key], key)
    for key in ("label_transfer", "label_transfer_score"):
        assert_close(expected.uns[key], adata.uns[key], key)


def test_a_dense_zarr_array(tmp_path):
    adata = counts_adata()
    zarr.save(tmp_path / "counts.zarr", adata.X.toarray())
    expected = ld.pp.thin_to_depth(adata, 60, rng=0, copy=True)
    adata.X = da.from_zarr(tmp_path / "counts.zarr")
    ld.pp.thin_to_depth(adata, 60, rng=0)
    np.testing.assert_array_equal(dense(adata.X), dense(expected.X))


N_OBS, N_VARS, N_NONZERO = 60_000, 2000, 200

PEAK = """
import sys
from pathlib import Path
import anndata as ad, numpy as np, zarr
import lowdepth as ld

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def thin(adata, path):
    ld.pp.thin_to_depth(adata, 100, key_added="thinned", rng=0)
    store = zarr.open(path, mode="r+", use_consolidated=False)
    ad.io.write_elem(store["layers"], "thinned", adata.layers["thinned"])
    zarr.consolidate_metadata(path)

how, small, large = sys.argv[1:]
read = {"lazy": ad.experimental.read_lazy, "memory": ad.read_zarr}[how]
thin(read(small), small)  # compiles and imports
before = peak()
thin(read(large), large)
print(peak() - before)
"""


def simulated(path, n_obs):
    rng = np.random.default_rng(0)
    columns = (
        rng.integers(0, N_VARS // N_NONZERO, (n_obs, N_NONZERO)) + np.arange(0, N_VARS, N_VARS // N_NONZERO)
    ).ravel()
    counts = sp.csr_matrix(
        (
            rng.integers(1, 5, len(columns)).astype(np.float32),
            columns.astype(np.int32),
            np.arange(n_obs + 1) * N_NONZERO,
        ),
        shape=(n_obs, N_VARS),
    )
    ad.AnnData(counts).write_zarr(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory of a process from Linux")
def test_a_store_is_thinned_into_a_new_layer_in_a_fraction_of_the_memory(tmp_path):
    peaks, thinned = {}, {}
    for how in ("memory", "lazy"):
        small, large = tmp_path / f"small-{how}.zarr", tmp_path / f"large-{how}.zarr"
        simulated(small, 100)
        simulated(large, N_OBS)
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PEAK, how, small, large], capture_output=True, text=True, check=True
        )
        peaks[how] = int(run.stdout)
        thinned[how] = ad.read_zarr(large).layers["thinned"]
    assert (thinned["memory"] != thinned["lazy"]).nnz == 0
    size = N_OBS * N_NONZERO * 8
    assert peaks["lazy"] < size / 2 < size < peaks["memory"], peaks
