"""Files that are there whole, or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABANDONED_AFTER = 24 * 3600
"""Seconds after which a temporary file was left by a process that was killed."""


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` to write a file or a folder to, which takes the name when all is written.

    Whoever reads ``path`` finds the old file or the new one, and the old one stays when writing fails. What killed
    processes left beside it goes a day later.

    Raises
    ------
    OSError
        There is no room, or no right to write.
    """
    check_writable(path)
    partial = _beside(path, "partial")
    try:
        yield partial
        flush(partial)
        old = _replace(path, partial)
        _flush_names(path.parent)
    except OSError as error:
        msg = f"{str(path)!r} could not be written, and what was there before is as it was: {error}"
        raise OSError(error.errno or errno.EIO, msg) from error
    finally:
        _remove_for_good(partial)
    for left in (old, *_abandoned(path)):
        remove(left)


def check_writable(path: Path) -> None:
    """Raise unless something may be written under this name."""
    if not path.parent.is_dir():
        msg = f"there is no folder {str(path.parent)!r} to write {path.name!r} into; make it first, or name another"
        raise FileNotFoundError(msg)
    if not os.access(path.parent, os.W_OK):
        msg = f"the folder {str(path.parent)!r} may not be written to; name another place for {path.name!r}"
        raise PermissionError(msg)
    if _is_other_folder(path):
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


def _is_other_folder(path: Path) -> bool:
    # while we look, another process may move a store aside and put its own in the place
    with suppress(FileNotFoundError):
        inode = path.stat().st_ino
        return path.is_dir() and not is_zarr(path) and path.stat().st_ino == inode
    return False


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onexc=_raise_unless_gone)
    else:
        path.unlink(missing_ok=True)


def _remove_for_good(partial: Path) -> None:
    """Delete what was begun; after one of zarr's threads has failed, others end what they are at, and bring it back."""
    while partial.exists():
        remove(partial)
        time.sleep(0.1)


def is_abandoned(path: Path) -> bool:
    """Say whether a temporary file is so old that the process that made it must have been killed."""
    with suppress(FileNotFoundError):  # another process has removed it
        return path.stat().st_mtime < time.time() - ABANDONED_AFTER
    return False


def _raise_unless_gone(_: object, __: str, error: BaseException) -> None:
    if not isinstance(error, FileNotFoundError):  # another process has removed it
        raise error


def _beside(path: Path, role: str) -> Path:
    # two processes, on two machines perhaps, may write to one name at once
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{role}")


def _abandoned(path: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.(partial|old)")
    return [left for left in path.parent.iterdir() if name.fullmatch(left.name) and is_abandoned(left)]


def _flush_names(folder: Path) -> None:
    # Windows opens no folders and some network file systems flush none: the names are written a little later there
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(path: Path, partial: Path) -> Path:
    """Give the new file its name; an old folder, which cannot be replaced in one step, steps aside to where we say."""
    while True:
        old = _beside(path, "old")
        if not (path.is_dir() or partial.is_dir()):
            partial.replace(path)
            return old
        with suppress(FileNotFoundError):
            path.rename(old)
        try:
            partial.rename(path)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                remove(old)  # another process was faster, and is next
                continue
            with suppress(FileNotFoundError):
                old.rename(path)
            raise
        return old
