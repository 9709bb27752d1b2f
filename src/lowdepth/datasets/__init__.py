"""Data to try things on: real and shipped, real and downloaded, simulated."""

from __future__ import annotations

from ._gse310923 import gse310923_pbmc
from ._pbmc3k import pbmc3k
from ._simulate import simulate

__all__ = ["gse310923_pbmc", "pbmc3k", "simulate"]


def __dir__() -> list[str]:
    return __all__
