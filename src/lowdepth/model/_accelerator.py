"""Whether the device that the user asked for is there."""

from __future__ import annotations

from typing import Any

import torch


def check_accelerator(accelerator: Any) -> None:
    """Raise unless torch sees a GPU where one was asked for; what other devices there are is left to Lightning.

    >>> check_accelerator("cpu")
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if isinstance(accelerator, str) and not {"cuda": cuda, "mps": mps, "gpu": cuda or mps}.get(accelerator, True):
        msg = (
            f"`accelerator={accelerator!r}`: torch {torch.__version__} sees no such device here; take 'auto' or 'cpu', "
            "or, if the machine has one, install the build of torch for it: https://pytorch.org/get-started/locally/"
        )
        raise ValueError(msg)
