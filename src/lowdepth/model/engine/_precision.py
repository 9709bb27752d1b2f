"""How exact the matrix products of the decoder have to be."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

PRECISIONS = ("auto", "float32", "bfloat16")
"""``"auto"`` is bfloat16 where :func:`has_bfloat16_units` says so."""


@cache
def has_bfloat16_units() -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware: by AMX, or by AVX-512's bf16 instructions."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.9 cannot tell
    return any(capabilities.get(unit, False) for unit in ("amx_tile", "amx_bf16", "avx512_bf16"))


@contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices with factors rounded to bfloat16 and sums in float32, or as they are.

    Only the CPU's products change. Elsewhere torch's own switch rules, for one
    ``torch.set_float32_matmul_precision("high")`` for the tensor cores of a GPU.
    """
    if device.type != "cpu":
        yield
        return
    switch = torch.backends.mkldnn.matmul
    before = switch.fp32_precision
    switch.fp32_precision = (
        "bf16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16_units()) else "ieee"
    )
    try:
        yield
    finally:
        switch.fp32_precision = before
