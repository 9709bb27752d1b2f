"""Refuses what would leave this machine, whichever library asks for it."""

from __future__ import annotations

import ipaddress
import socket
import sys


def refuse_network():
    """Let each use of the network raise, in this process and for good."""
    sys.addaudithook(_refuse)


def _refuse(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):  # a path is no network
        host = arguments[1][0]
    else:
        return
    if not _is_here(host):
        msg = f"{event} {arguments[1:]}: lowdepth uses no network ({host})"
        raise AssertionError(msg)


def _is_here(host):
    host = host.decode() if isinstance(host, bytes) else host
    try:
        return host in {None, "", "localhost"} or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == socket.gethostname()
