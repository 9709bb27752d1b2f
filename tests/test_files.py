"""Files and folders take their place whole, or the old ones stay."""

from __future__ import annotations

import pytest

from lowdepth._files import atomically, check_writable


def file(path, text):
    path.write_text(text)


def fail(path, write):
    with atomically(path) as partial:
        write(partial, "new")
        msg = "disk full"
        raise OSError(msg)


def zarr(path, text):
    path.mkdir()
    (path / "zarr.json").write_text(text)


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomically(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_is_replaced(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr(path, "old")
    with atomically(path) as partial:
        zarr(partial, "new")
    assert (path / "zarr.json").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [file, zarr], ids=["file", "store"])
def test_the_old_one_survives_an_error(tmp_path, write):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        fail(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with atomically(tmp_path / "file") as partial:
        partial.touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_that_is_no_store_is_never_replaced(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match=r"'.*home' is a folder"):
        check_writable(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere' to write 'file' into"):
        check_writable(tmp_path / "nowhere" / "file")
