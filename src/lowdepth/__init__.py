"""Make cells with few UMIs usable: thin, embed, transfer labels, measure, show.

The parts are listed in ``__init__.pyi``. torch, scvi and matplotlib take seconds to import: each part is imported when
it is first asked for.

>>> import lowdepth as ld
>>> adata = ld.datasets.simulate(200, 500, rng=0)
>>> ld.pp.depth_metrics(adata)
"""

from __future__ import annotations

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version(__name__)
