"""Disks that are full, and processes that are killed while they write."""

from __future__ import annotations

import os
import signal
import warnings
from contextlib import contextmanager


@contextmanager
def room_left(disk, kilobytes):
    """Fill a disk up to the last few kilobytes."""
    filler = disk / "filler"
    filler.touch()
    available = os.statvfs(disk)
    filler.write_bytes(bytes(max(0, available.f_bavail * available.f_frsize - kilobytes * 1024)))
    try:
        yield
    finally:
        filler.unlink()


def in_fork(work):
    """Run ``work`` in a process of its own, and give its exit status; it starts no threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def killed_at(step, steps, work):
    """Run ``work`` and kill it with SIGKILL before its n-th call of one of these (owner, name); say if it was."""

    def counted(owner, name):
        function = getattr(owner, name)

        def call(*arguments, **options):
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    def doomed():
        for owner, name in steps:
            setattr(owner, name, counted(owner, name))
        work()

    done = 0
    status = in_fork(doomed)
    assert status in {0, signal.SIGKILL}, status
    return status == signal.SIGKILL
