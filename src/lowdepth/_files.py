"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` to write a file or a folder to, which takes the name when all is written.

    Whoever reads ``path`` finds the old file or the new one, and the old one stays when writing fails.
    """
    check_writable(path)
    partial = _beside(path, "partial")
    try:
        yield partial
        flush(partial)
        _replace(path, partial)
        _flush_names(path.parent)
    finally:
        remove(partial)


def check_writable(path: Path) -> None:
    """Raise unless something may be written under this name."""
    if not path.parent.is_dir():
        msg = f"there is no folder {str(path.parent)!r} to write {path.name!r} into; make it first, or name another"
        raise FileNotFoundError(msg)
    if not os.access(path.parent, os.W_OK):
        msg = f"the folder {str(path.parent)!r} may not be written to; name another place for {path.name!r}"
        raise PermissionError(msg)
    if path.is_dir() and not is_zarr(path):
        msg = f"{str(path)!r} is a folder; name a file"
        raise IsADirectoryError(msg)


def flush(path: Path) -> None:
    """Wait until a file, or all files of a folder, are on the disk: a name must not outlive a power cut empty."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_dir():
            _flush_names(file)
        else:
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a zarr store, of version 2 or 3."""
    return (path / ".zgroup").exists() or (path / "zarr.json").exists()


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _beside(path: Path, role: str) -> Path:
    # two processes, on two machines perhaps, may write to one name at once
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{role}")


def _flush_names(folder: Path) -> None:
    # Windows opens no folders and some network file systems flush none: the names are written a little later there
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(path: Path, partial: Path) -> None:
    if not path.is_dir():
        partial.replace(path)
        return
    # a folder that is not empty cannot be replaced in one step: the old one steps aside, and comes back on an error
    old = _beside(path, "old")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)
