"""Make cells with few UMIs usable: thin, embed, transfer labels, measure, show.

>>> import lowdepth as ld
>>> adata = ld.datasets.simulate(200, 500, rng=0)
>>> ld.pp.depth_metrics(adata)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

    from . import datasets, model, pl, pp, tl
    from ._report import report

__version__: str

__all__ = ["datasets", "model", "pl", "pp", "report", "tl"]


if not TYPE_CHECKING:  # to mypy any attribute would be there

    def __getattr__(name: str) -> ModuleType | FunctionType | str:
        # torch, scvi and matplotlib take seconds to import: a part is imported when it is first asked for
        if name == "report":
            return import_module("._report", __name__).report
        if name in __all__:
            return import_module(f".{name}", __name__)
        if name == "__version__":
            return version(__name__)
        msg = f"module {__name__!r} has no attribute {name!r}; its parts are {', '.join(__all__)}"
        raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
