"""Make cells with few UMIs usable: thin, embed, transfer labels, measure, show.

>>> import lowdepth as ld
>>> adata = ld.datasets.simulate(200, 500, rng=0)
>>> ld.pp.depth_metrics(adata)
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import lazy_loader

# torch, scvi and matplotlib take seconds to import: the parts, listed in __init__.pyi, are imported when asked for
_part, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version(__name__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _part(name)
    msg = f"module {__name__!r} has no attribute {name!r}; its parts are {', '.join(__all__)}"
    raise AttributeError(msg)
