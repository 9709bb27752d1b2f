"""Weights as bytes, and nothing but weights from bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import torch

from ._document import COPY_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def weights_to_bytes(weights: Mapping[str, torch.Tensor]) -> bytes:
    """Give the content of a weights file."""
    # in memory, as torch has an error of its own for a full disk
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in weights.items()}, buffer)
    return buffer.getvalue()


def weights_from_bytes(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    """Turn the content of a weights file back.

    Raises
    ------
    ValueError
        There is anything else in it.
    """
    try:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        msg = f"{str(path)!r} holds more than weights, and was not loaded: it could run code; {COPY_AGAIN}"
        raise ValueError(msg) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
        msg = f"{str(path)!r} holds no weights; {COPY_AGAIN}"
        raise ValueError(msg)
    return weights
