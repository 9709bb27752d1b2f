"""Whatever is done to a file of cells, reading it is an error or gives cells. Fuzzed: see CONTRIBUTING.md."""

from __future__ import annotations

import os
import signal
import warnings

import pytest
from anndata import AnnData
from disks import in_fork
from helpers import counts_adata
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import lowdepth as ld
from lowdepth._commands._files_of import read


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "cells.h5ad"


@pytest.fixture(scope="module")
def content(file):
    counts_adata(12, 6).write_h5ad(file)
    return file.read_bytes()


def survived(file):
    """Tell whether HDF5 itself lives through reading a file: on damage in its own structures it may not."""

    def read_in_time():
        signal.alarm(30)
        read(file)

    return not (hasattr(os, "fork") and os.WIFSIGNALED(in_fork(read_in_time)))


def read_and_measure(file, content):
    file.write_bytes(content)
    if not survived(file):
        event("HDF5 crashed or hung")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of h5py and anndata, about names and types that damage has made unusual
        try:
            adata = read(file)
        except OSError as error:
            assert "cells.h5ad' cannot be read as h5ad" in str(error)  # noqa: PT017  damage need not be seen
            return
        assert isinstance(adata, AnnData)
        try:
            ld.pp.depth_metrics(adata)
        except (TypeError, ValueError) as error:
            assert "adata.X" in str(error)  # noqa: PT017


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True))
def test_truncated(file, content, where):
    file.write_bytes(content[: int(where * len(content))])
    with pytest.raises(OSError, match="cannot be read as h5ad"):
        read(file)


@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8))
def test_bytes_changed(file, content, flips):
    damaged = bytearray(content)
    for where, change in flips:
        damaged[int(where * len(content))] ^= change
    read_and_measure(file, damaged)


@given(junk=st.binary(max_size=200))
def test_no_file_of_cells_at_all(file, content, junk):
    read_and_measure(file, junk)
    read_and_measure(file, content[:8] + junk)
