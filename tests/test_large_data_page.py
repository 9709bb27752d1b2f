"""The how-to page on many cells and several machines, executed; its search is in ``tests/model/test_search.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from helpers import counts_adata
from stores import quiet_zarr, written
from test_pages import code_of

ROOT = Path(__file__).parents[1]
ON_DISK, GO_ON, BY_BLOCKS, SCRIPT, SEARCH = code_of(ROOT / "docs" / "how_to" / "large_data.md")


@pytest.fixture
def names(tmp_path, monkeypatch):
    """Give the names of a session in a folder that has the page's cells."""
    monkeypatch.chdir(tmp_path)
    cells = counts_adata(120, depth=1000)
    cells.obs = cells.obs.rename(columns={"batch": "sample"})
    written(cells, "atlas.zarr")
    return {"__name__": "page"}


def run(code, names):
    exec(compile(code, "large_data.md", "exec"), names)


@quiet_zarr
def test_from_the_disk_and_by_blocks(names):
    for code in (ON_DISK, GO_ON, BY_BLOCKS):
        run(code.replace("max_epochs=20", "max_epochs=2"), names)
    assert {"X_joint_embedding", "X_joint_embedding_refined"} <= ad.read_zarr("atlas.zarr").obsm.keys()
    assert Path("training.ckpt").exists()
    assert "thinned" in names["cells"].layers
    assert pd.read_csv("labels.csv")["label_transfer"].notna().all()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"], []])
def test_two_processes(names, launcher):
    Path("embed.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, *launcher, "embed.py"], check=True, env={**os.environ, "PYTHONPATH": paths})
    assert ad.read_zarr("embedded.zarr").obsm["X_joint_embedding"].shape == (120, 32)
