"""Writing cells so that a full disk is one error, and not one for each object that HDF5 cannot close."""

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

    Raises
    ------
    OSError
        There is no room, or the disk failed.
    """
    with _PatientFile(path, "w+b") as file:
        try:
            with h5py.File(file, "w") as store:
                write_elem(store, "/", adata, dataset_kwargs=dataset_kwargs)
        finally:
            if file.error is not None:
                raise file.error


class _PatientFile(io.FileIO):
    """A file that keeps its first error for later.

    When HDF5 learns of an error it holds the file open, and with it the room that the disk lacks, until
    Python ends.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the bytes, or none from the first error on."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size
