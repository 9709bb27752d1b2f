"""Model files: what a saved model is, how it is written whole, and what is refused when it is read."""

from __future__ import annotations

from ._saving import SafelySaved

__all__ = ["SafelySaved"]
