"""A model, and dask's schedulers, one after the other; the cluster starts once for the tests of a file."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import dask
import pytest
from dask_support import LOW_UMI
from helpers import counts_adata

import lowdepth as ld

SCHEDULERS = ("threads", "processes", "cluster")


@pytest.fixture(scope="module", params=SCHEDULERS)
def scheduler(request):
    """Run what is computed in a test's file by threads, in two processes, and in a cluster of two worker processes."""
    if request.param == "cluster":
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster),
        ):
            yield request.param
        return
    if request.param == "threads":
        with dask.config.set(scheduler="threads", num_workers=2):
            yield request.param
        return
    # dask's own pool would start two processes for each computation
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        dask.config.set(scheduler="processes", pool=pool),
    ):
        yield request.param


@pytest.fixture(scope="module")
def model():
    """Give one that was trained on cells in memory."""
    return ld.tl.joint_embedding(
        counts_adata(120), batch_key="batch", n_latent=4, max_epochs=1, low_umi=LOW_UMI, progress_bar=False
    )
