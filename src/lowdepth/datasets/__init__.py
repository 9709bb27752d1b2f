"""Data to try things on: real and shipped, real and downloaded, simulated."""

from __future__ import annotations

from ._simulate import simulate

__all__ = ["simulate"]
