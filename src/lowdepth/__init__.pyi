from . import datasets, model, pl, pp, tl
from ._report import report

__version__: str

__all__ = ["datasets", "model", "pl", "pp", "report", "tl"]
