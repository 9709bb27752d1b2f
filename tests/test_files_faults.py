"""Writing that is killed, overtaken or runs out of room."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import anndata as ad
import numpy as np
import pytest
from disks import killed_at, room_left
from helpers import counts_adata

from lowdepth import _files
from lowdepth._cells_file import write_cells
from lowdepth._files import atomically, remove

STEPS = [(Path, "write_text"), (Path, "mkdir"), (os, "fsync"), (Path, "replace"), (Path, "rename"), (Path, "unlink")]


def write(path, text):
    with atomically(path) as partial:
        if path.suffix == ".zarr":
            partial.mkdir()
            (partial / "data").write_text(text)
            (partial / "zarr.json").write_text(text)
        else:
            partial.write_text(text)


def read(path):
    if path.suffix != ".zarr":
        return path.read_text()
    texts = {file.read_text() for file in path.iterdir()}
    assert len(list(path.iterdir())) == 2
    assert len(texts) == 1
    return texts.pop()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("name", ["file", "cells.zarr"])
def test_killed_at_every_step(name, tmp_path):
    found, step = [], 0
    while not found or found[-1] != "new, for good":
        step += 1
        path = tmp_path / str(step) / name
        path.parent.mkdir()
        write(path, "old")
        killed = killed_at(step, STEPS, lambda path=path: write(path, "new"))
        if path.exists():
            found.append(read(path) if killed else "new, for good")
        else:  # between the two renames of a folder: both are there under other names
            assert name == "cells.zarr"
            old, partial = (next(path.parent.glob(f".{name}.*.{role}")) for role in ("old", "partial"))
            assert (read(old.rename(tmp_path / f"{step}.zarr")), read(partial.rename(path))) == ("old", "new")
            found.append("old")
        write(path, "again")
        assert read(path) == "again"
    # at some step, and for good
    assert sorted(found, key=["old", "new", "new, for good"].index) == found
    assert found.count("old") >= 3


@pytest.fixture
def threads_meet_everywhere():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("name", ["file", "cells.zarr"])
def test_many_write_to_one_name(name, tmp_path, threads_meet_everywhere):
    path = tmp_path / name
    errors = []

    def work(text):
        try:
            for _ in range(20):
                write(path, text)
        except OSError as error:
            errors.append(error)

    threads = [Thread(target=work, args=(text,)) for text in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert read(path) in {"one", "two", "three"}
    assert names(tmp_path) == [name]


def test_what_killed_processes_left_goes_after_a_day(tmp_path):
    left = [f".file.0123456{n}.{role}" for n, role in enumerate(["partial", "old", "partial", "other"])]
    for name in [*left, ".file.partial", ".file2.01234567.partial"]:
        (tmp_path / name).touch()
    long_ago = time.time() - 2 * _files.ABANDONED_AFTER
    for path in tmp_path.iterdir():
        if path.name != left[2]:
            os.utime(path, (long_ago, long_ago))
    write(tmp_path / "file", "new")
    assert names(tmp_path) == sorted([left[2], left[3], ".file.partial", ".file2.01234567.partial", "file"])


@pytest.mark.parametrize("name", ["file", "cells.zarr"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EIO, "the disk failed")], ids=repr)
def test_an_error_between_two_renames_brings_the_old_one_back(name, error, tmp_path):
    path = tmp_path / name
    write(path, "old")
    method, rename = ("rename", Path.rename) if name == "cells.zarr" else ("replace", Path.replace)

    def fail(source, target):
        if source.name.endswith("partial"):
            raise error
        return rename(source, target)

    with patch.object(Path, method, fail), pytest.raises((KeyboardInterrupt, OSError)):
        write(path, "new")
    assert read(path) == "old"
    assert names(tmp_path) == [name]


def test_the_error_names_the_file_and_keeps_its_kind(tmp_path):
    with (
        patch.object(Path, "write_text", full),
        pytest.raises(OSError, match=r"'.*file' could not be written, and what .* is as it was: .*No space") as raised,
    ):
        write(tmp_path / "file", "new")
    assert raised.value.errno == errno.ENOSPC


def test_others_may_remove_the_same_folder(tmp_path):
    for n in range(50):
        (tmp_path / "folder" / str(n)).mkdir(parents=True)
    threads = [Thread(target=remove, args=(tmp_path / "folder",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not (tmp_path / "folder").exists()


def test_a_full_disk_does_not_end_the_process(mounted):
    disk = mounted("size=512k")
    adata = counts_adata(60, 20)
    write_cells(disk / "old.h5ad", adata)
    failed = 0
    for kilobytes in range(0, 120, 8):
        with room_left(disk, kilobytes):
            try:
                with atomically(disk / "cells.h5ad") as partial:
                    write_cells(partial, adata)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  whether it fails depends on the room
                failed += 1
        assert set(names(disk)) <= {"cells.h5ad", "old.h5ad"}
        remove(disk / "cells.h5ad")
    assert 3 < failed < 15
    np.testing.assert_array_equal(ad.read_h5ad(disk / "old.h5ad").X.toarray(), adata.X.toarray())
