from ._gse310923 import gse310923_pbmc
from ._pbmc3k import pbmc3k
from ._simulate import simulate

__all__ = ["gse310923_pbmc", "pbmc3k", "simulate"]
