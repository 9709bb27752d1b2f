"""Processes that are killed while they save, or save to one place at once; run by test_save_faults.py.

The models are made once, and every process is a fork: importing torch anew would take seconds each time.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

from saved_models import cells, load, model_of

from lowdepth.model.files import _model_files

STEPS = [
    (Path, "mkdir"),
    (Path, "write_bytes"),
    (_model_files, "write_cells"),
    (os, "fsync"),
    (Path, "replace"),
    (Path, "unlink"),
]
"""What a save does to the disk."""


def in_fork(work):
    """Run ``work`` in a process of its own, and give its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs no threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    return child


def die_at(fatal):
    """Let this process be killed before its n-th step, or in the middle of it where it writes bytes."""
    done = 0

    def counted(owner, name):
        step = getattr(owner, name)

        def take(*arguments, **options):
            nonlocal done
            done += 1
            if done == fatal:
                if name == "write_bytes":
                    step(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        setattr(owner, name, take)

    for owner, name in STEPS:
        counted(owner, name)


def kill_at_every_step(root, models):
    """Save the second model over the first, in as many folders as a save has steps, and die at another one in each."""
    for kind in ("replaced", "first"):
        fatal, status = 0, -1
        while status != 0:
            fatal += 1
            folder = root / f"{kind}-{fatal:02}"
            if kind == "replaced":
                models[0].save(folder, save_anndata=True)

            def save(folder=folder, fatal=fatal):
                die_at(fatal)
                models[1].save(folder, overwrite=True, save_anndata=True)

            _, status = os.waitpid(in_fork(save), 0)


def save_at_once(root, models):
    """Let two processes save to one place again and again, while it is read."""
    models[0].save(root / "shared")

    def save(model):
        for _ in range(5):
            model.save(root / "shared", overwrite=True)

    children = [in_fork(lambda model=model: save(model)) for model in models]
    read, running = 0, set(children)
    while running:
        load(root / "shared", adata=False)
        read += 1
        for child in list(running):
            finished, status = os.waitpid(child, os.WNOHANG)
            if finished:
                running.remove(child)
                if status:
                    sys.exit(f"a save failed with {status}")
    if read < 2:
        sys.exit("nothing was read meanwhile")


if __name__ == "__main__":
    both = [model_of(cells(), seed=seed) for seed in range(2)]
    kill_at_every_step(Path(sys.argv[1]), both)
    save_at_once(Path(sys.argv[1]), both)
