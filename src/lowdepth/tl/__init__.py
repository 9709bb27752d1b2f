"""Tools: embed, lay out, transfer labels and score how well that worked.

The tools are listed in ``__init__.pyi``. torch and scvi take seconds to import: each tool is imported when it is first
asked for.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
