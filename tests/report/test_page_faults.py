"""A report that cannot be written leaves the one that was there."""

from __future__ import annotations

import errno

import pytest
from disks import room_left
from helpers import assert_unchanged

import lowdepth as ld


def test_disk_full(bare, mounted):
    disk = mounted("size=1m")
    page = ld.report(bare, disk / "page.html").read_text(encoding="utf-8")
    for kilobytes in (0, 8):
        with (
            room_left(disk, kilobytes),
            assert_unchanged(bare),
            pytest.raises(OSError, match=r"'.*page.html' could not be written, .* as it was") as raised,
        ):
            ld.report(bare, disk / "page.html")
        assert raised.value.errno == errno.ENOSPC
        assert [path.name for path in disk.iterdir()] == ["page.html"]
        assert (disk / "page.html").read_text(encoding="utf-8") == page
    assert ld.report(bare, disk / "page.html").read_text(encoding="utf-8") == page


def test_interrupt(bare, tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text("old")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lowdepth._report._page._render", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ld.report(bare, tmp_path / "page.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
