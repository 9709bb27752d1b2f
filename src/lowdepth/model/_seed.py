"""Seeded training that leaves the user's random state as it was."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import scvi
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lowdepth._random import Rng


def as_seed(rng: Rng) -> int:
    """Turn what the user passed as ``rng`` into one seed; an integer is taken as it is.

    >>> as_seed(3)
    3
    """
    return (
        int(np.random.default_rng(rng).integers(2**31))
        if rng is None or isinstance(rng, np.random.Generator)
        else int(rng)
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed scvi-tools, torch, numpy and Python inside; restore all of them on the way out.

    scvi-tools draws from the global generators, so they are borrowed rather than replaced.
    """
    numpy_state, python_state, scvi_seed = np.random.get_state(), random.getstate(), scvi.settings.seed  # noqa: NPY002
    with torch.random.fork_rng(), patch.dict(os.environ):
        try:
            scvi.settings.seed = seed
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)
            scvi.settings._seed = scvi_seed
