"""One HTML page of what was done and what came of it.

The folder is private and the function public: a public folder ``report`` would take the
place of the function ``lowdepth.report`` as soon as it is imported.
"""

from __future__ import annotations

from ._page import report

__all__ = ["report"]
