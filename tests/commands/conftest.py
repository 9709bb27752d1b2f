"""Cells to rescue, and a job that stopped halfway."""

from __future__ import annotations

import shutil
from unittest.mock import patch

import pytest
from rescue_command import OPTIONS, rescue

import lowdepth as ld


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "cells.h5ad"
    ld.datasets.simulate(300, 200, n_types=3, rng=0).write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def done(cells, tmp_path_factory):
    """Run the job once: its folder."""
    folder = tmp_path_factory.mktemp("done")
    before = cells.read_bytes()
    assert rescue(cells, *OPTIONS, "--out", folder / "out.h5ad", "--report", folder / "page.html") == 0
    assert cells.read_bytes() == before
    return folder


@pytest.fixture(scope="session")
def halted(cells, tmp_path_factory):
    """Run the job until labels fail: its folder."""
    folder = tmp_path_factory.mktemp("halted")
    with patch.object(ld.tl, "label_transfer", side_effect=RuntimeError("power cut")), pytest.raises(RuntimeError):
        rescue(cells, *OPTIONS, "--out", folder / "out.h5ad")
    assert [path.name for path in folder.iterdir()] == [".out.h5ad.embedding"]
    return folder


@pytest.fixture
def interrupted(halted, tmp_path):
    shutil.copytree(halted, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out.h5ad"
