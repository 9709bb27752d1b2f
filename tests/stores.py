"""Cells in files, for several tests."""

from __future__ import annotations

from pathlib import Path

import pytest

quiet_zarr = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
"""For tests that let annbatch write: zarr warns of what anndata keeps from it."""


def written(adata, path):
    """Write cells in the format that the name says, and give the path."""
    path = Path(path)
    (adata.write_zarr if path.suffix == ".zarr" else adata.write_h5ad)(path)
    return path


def content(path):
    """Give the bytes of a file, or of all files of a folder by name."""
    path = Path(path)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}
