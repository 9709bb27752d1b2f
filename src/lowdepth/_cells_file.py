"""Writing cells so that a full disk is an error, and not the end of the process."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import h5py
from anndata.io import write_elem

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData


def write_cells(path: Path, adata: AnnData, **dataset_kwargs: Any) -> None:
    """Write an h5ad file; ``adata`` is as it was, while :meth:`anndata.AnnData.write_h5ad` makes strings categories.

    HDF5 makes the file in memory, which takes as much of it as the file has bytes. On a disk that is full it would
    keep the file open, and with it the room that the disk lacks, or crash.

    Raises
    ------
    OSError
        There is no room, or the disk failed.
    """
    file = io.BytesIO()
    with h5py.File(file, "w") as store:
        write_elem(store, "/", adata, dataset_kwargs=dataset_kwargs)
    with path.open("wb") as opened, file.getbuffer() as content:  # not by a function whose traceback would keep it
        opened.write(content)
