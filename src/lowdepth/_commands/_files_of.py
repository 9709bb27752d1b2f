"""Reading the cells, and the names to write to, before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anndata as ad
import pandas as pd

from lowdepth._cells_file import write_cells
from lowdepth._files import atomically, check_writable

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

SUFFIXES = (".h5ad", ".zarr")


def check_files(file: Path, out: Path, report: Path | None) -> None:
    """Raise unless the input is there and each output has a name of its own."""
    for name in (file, out):
        if name.suffix not in SUFFIXES:
            msg = f"{str(name)!r} ends neither in .h5ad nor in .zarr: give a file or store of one of these kinds"
            raise ValueError(msg)
    if not file.exists():
        msg = f"there is no {str(file)!r}"
        raise FileNotFoundError(msg)
    outputs = [out] if report is None else [out, report]
    for output in outputs:
        if output.resolve() == file.resolve():
            msg = f"{str(output)!r} is the input, which stays as it is: name another output"
            raise ValueError(msg)
        check_writable(output)
    if len({output.resolve() for output in outputs}) < len(outputs):
        msg = f"`--out` and `--report` are both {str(out)!r}: name two files"
        raise ValueError(msg)


def read(file: Path) -> AnnData:
    """Read cells into memory.

    Raises
    ------
    OSError
        The file is damaged, or no file of its kind.
    """
    try:
        return ad.read_h5ad(file) if file.suffix == ".h5ad" else ad.read_zarr(file)
    except Exception as error:  # damage shows up as almost any of them
        msg = f"{str(file)!r} cannot be read as {file.suffix[1:]}: {error or type(error).__name__}; copy it anew"
        raise OSError(msg) from error


def write(adata: AnnData, out: Path) -> None:
    """Write cells, whole or not at all, and strings as readers in R know them, too."""
    adata.strings_to_categoricals()  # as anndata's own files have it
    nullable = _has_missing_strings([adata.obsm, adata.varm, adata.uns])
    with atomically(out) as partial, ad.settings.override(allow_write_nullable_strings=nullable):
        if out.suffix == ".h5ad":
            write_cells(partial, adata)
        else:
            adata.write_zarr(partial)


def _has_missing_strings(value: Any) -> bool:
    """Look for strings that can only be written in anndata's newer, nullable format."""
    if isinstance(value, Mapping | list):
        return any(_has_missing_strings(part) for part in (value.values() if isinstance(value, Mapping) else value))
    if isinstance(value, pd.DataFrame):
        return any(_has_missing_strings(column.array) for _, column in value.items())
    return isinstance(value, pd.api.extensions.ExtensionArray) and (
        isinstance(value.dtype, pd.StringDtype) and bool(value.isna().any())
    )
