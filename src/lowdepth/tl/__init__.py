"""Tools: embed, lay out, transfer labels and score how well that worked."""

from __future__ import annotations

import lazy_loader

# torch and scvi take seconds to import: the tools, listed in __init__.pyi, are imported when asked for
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
