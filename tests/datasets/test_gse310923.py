"""The downloader, against a server on this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import h5py
import numpy as np
import pytest
from disks import killed_at, room_left

import lowdepth as ld
from lowdepth.datasets import _gse310923

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "cells.h5ad"


class Answer(NamedTuple):
    status: int
    body: bytes
    announced: int | None  # None announces no length, as a server that streams does


class Server(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one for ever, and counts the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Answer] = []
        self.n_requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answer = self.server.answers[min(self.server.n_requests, len(self.server.answers) - 1)]
        self.server.n_requests += 1
        self.send_response(answer.status)
        if answer.announced is not None:
            self.send_header("Content-Length", str(answer.announced))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(_gse310923, "_URL", f"http://127.0.0.1:{server.server_port}/folder/{NAME}")
        monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)  # the pauses between attempts
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("content") / NAME
    ad.AnnData(np.arange(6.0).reshape(2, 3)).write_h5ad(path)
    return path.read_bytes()


def whole(content: bytes) -> Answer:
    return Answer(200, content, len(content))


def download(cache_dir: Path) -> ad.AnnData:
    return ld.datasets.gse310923_pbmc(cache_dir, progress_bar=False)


def test_downloads_once(server: Server, content: bytes, tmp_path: Path) -> None:
    server.answers = [whole(content)]
    for _ in range(2):
        np.testing.assert_array_equal(download(tmp_path).X, np.arange(6.0).reshape(2, 3))
    assert server.n_requests == 1
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_tries_again_after_a_server_error(server: Server, content: bytes, tmp_path: Path) -> None:
    server.answers = [Answer(500, b"", 0), whole(content)]
    assert download(tmp_path).shape == (2, 3)
    assert server.n_requests == 2


@pytest.mark.parametrize("announces_length", [True, False])
def test_tries_again_after_a_truncated_body(
    server: Server, content: bytes, tmp_path: Path, *, announces_length: bool
) -> None:
    half = Answer(200, content[: len(content) // 2], len(content) if announces_length else None)
    server.answers = [half, whole(content)]
    assert download(tmp_path).shape == (2, 3)
    assert server.n_requests == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404, b"", 0), "404"),
        (Answer(200, b"half", 8), "4 bytes read, 4 more expected"),
        (Answer(200, b"half", None), "not a complete HDF5 file"),
        (Answer(200, b"<html>log in first</html>", 25), "not a complete HDF5 file"),
    ],
    ids=["missing", "truncated", "truncated without length", "another page"],
)
def test_reports_failure_and_leaves_no_file(server: Server, tmp_path: Path, answer: Answer, reason: str) -> None:
    server.answers = [answer]
    with pytest.raises(OSError, match="could not be downloaded") as raised:
        download(tmp_path)
    for part in (_gse310923._URL, str(tmp_path / NAME), reason, "call this function again"):
        assert part in str(raised.value)
    assert server.n_requests == 3
    assert list(tmp_path.iterdir()) == []


def test_reports_an_unreachable_server(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match=f"{NAME} could not be downloaded"):
        download(tmp_path)


def test_a_killed_download_is_done_anew(server: Server, content: bytes, tmp_path: Path) -> None:
    server.answers = [whole(content)]
    killed = killed_at(1, [(h5py, "File")], lambda: download(tmp_path))  # all is there, under a name for the time being
    assert killed
    assert NAME not in {path.name for path in tmp_path.iterdir()}
    assert download(tmp_path).shape == (2, 3)
    assert server.n_requests == 2


def test_two_download_at_once(server: Server, content: bytes, tmp_path: Path) -> None:
    server.answers = [whole(content)]
    with ThreadPoolExecutor(4) as threads:
        shapes = list(threads.map(lambda _: download(tmp_path).shape, range(4)))
    assert shapes == [(2, 3)] * 4
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_full_disk(server: Server, content: bytes, mounted: Callable[[str], Path]) -> None:
    disk = mounted("size=1m")
    server.answers = [whole(content)]
    with room_left(disk, 4), pytest.raises(OSError, match=r"could not be downloaded to .*No space left"):
        download(disk)
    assert list(disk.iterdir()) == []
    assert download(disk).shape == (2, 3)


@pytest.mark.parametrize("kind", ["no HDF5", "no AnnData", "truncated"])
def test_reports_an_unreadable_kept_file(server: Server, content: bytes, tmp_path: Path, kind: str) -> None:
    kept = tmp_path / NAME
    if kind == "no AnnData":
        h5py.File(kept, "w").close()
    else:
        kept.write_bytes(b"broken" if kind == "no HDF5" else content[:-100])
    with pytest.raises(OSError, match="delete it and call this function again") as raised:
        download(tmp_path)
    assert str(kept) in str(raised.value)
    assert server.n_requests == 0


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_stands_where_the_folder_should(server: Server, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"could not be downloaded to .*file.*Not a directory"):
        download(tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"
    assert server.n_requests == 0


def test_the_folder_is_a_path(server: Server) -> None:
    with pytest.raises(TypeError, match=r"str or an os\.PathLike object"):
        download(5)
    assert server.n_requests == 0


def test_shows_progress(server: Server, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = [whole(content)]
    ld.datasets.gse310923_pbmc(tmp_path / "shown")
    assert "100%" in capsys.readouterr().err
    ld.datasets.gse310923_pbmc(tmp_path / "hidden", progress_bar=False)
    assert "100%" not in capsys.readouterr().err


def test_default_folder_is_the_users_cache(
    server: Server, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    server.answers = [whole(content)]
    ld.datasets.gse310923_pbmc(progress_bar=False)
    assert (tmp_path / "lowdepth" / NAME).exists()
