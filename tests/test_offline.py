"""No import and no function reaches the network, except a download that is asked for by name.

``conftest.py`` refuses the network to the whole suite; these tests check that it does.
"""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "lowdepth.invalid"])
def test_the_tests_are_offline(host):
    with pytest.raises(AssertionError, match="lowdepth uses no network"):
        socket.create_connection((host, 80), timeout=1)


def test_datagrams_are_refused_too():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        pytest.raises(AssertionError, match="lowdepth uses no network"),
    ):
        sender.sendto(b"hello", ("192.0.2.1", 80))


def test_this_machine_may_be_asked():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        socket.create_connection(server.server_address).close()


def test_one_file_names_a_place_to_download_from():
    source = Path(__file__).parents[1] / "src" / "lowdepth"
    naming = [path.name for path in source.rglob("*.py") if '"https://' in path.read_text()]
    assert naming == ["_gse310923.py"]
