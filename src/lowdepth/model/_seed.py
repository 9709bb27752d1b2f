"""Seeded training that leaves the user's random state as it was."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import scvi
import torch

from ._quiet import quiet_lightning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lowdepth._random import Rng


def as_seed(rng: Rng) -> int:
    """Turn what the user passed as ``rng`` into one seed; an integer is taken as it is.

    >>> as_seed(3)
    3
    """
    return int(rng) if isinstance(rng, int | np.integer) else int(np.random.default_rng(rng).integers(2**31))


VARIABLES = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")
"""By which Lightning tells the seed to processes that it starts; where they are it tells by others, which stay."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed scvi-tools, torch, numpy and Python inside; restore all of them on the way out.

    scvi-tools draws from the global generators, so they are borrowed rather than replaced.
    """
    scvi_seed = scvi.settings.seed
    variables = {name: os.environ.get(name) for name in VARIABLES}
    with random_state_kept():
        try:
            with quiet_lightning():  # which tells each seed
                scvi.settings.seed = seed
            yield
        finally:
            scvi.settings._seed = scvi_seed
            for name, value in variables.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the global generators of torch, numpy and Python on the way out."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    # torch warns of several GPUs unless they are listed
    with torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)
