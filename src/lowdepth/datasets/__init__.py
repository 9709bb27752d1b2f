"""Data to try things on: real and shipped, real and downloaded, simulated."""

from __future__ import annotations

import lazy_loader

# only a download needs pooch and requests: the data sets, listed in __init__.pyi, are imported when asked for
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
