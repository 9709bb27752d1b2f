"""Arrays of ``obsm``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from fast_array_utils import types

from ._messages import missing, some, warn

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def representation(adata: AnnData, use_rep: str) -> NDArray[Any]:
    """Get an array of ``obsm``, dense, cells by dimensions."""
    if use_rep not in adata.obsm:
        raise KeyError(missing("representation", use_rep, adata.obsm.keys(), "adata.obsm"))
    stored = adata.obsm[use_rep]
    where = f"adata.obsm[{use_rep!r}]"
    if isinstance(stored, types.CSBase):
        msg = f"{where} is a {type(stored).__name__}; make it dense with `.toarray()`, or reduce it to a few dimensions"
        raise TypeError(msg)
    values = np.asarray(stored)
    if values.dtype.kind not in "biuf":
        msg = f"{where} has dtype {values.dtype}; a representation holds real numbers"
        raise ValueError(msg)
    if values.ndim != 2 or values.shape[1] == 0:
        msg = f"{where} has shape {values.shape}; a representation has one row per cell and at least one column"
        raise ValueError(msg)
    if not np.isfinite(values).all(axis=1).any():
        msg = f"{where} gives no cell finite values; compute it again"
        raise ValueError(msg)
    return values


def finite_cells(adata: AnnData, use_rep: str, consequence: str) -> NDArray[np.bool_]:
    """Tell which cells have a finite representation, and warn of the others."""
    finite: NDArray[np.bool_] = np.isfinite(representation(adata, use_rep)).all(axis=1)
    if not finite.all():
        warn(
            f"adata.obsm[{use_rep!r}] is not finite in {(~finite).sum()} cells "
            f"({some(adata.obs_names[~finite])}): {consequence}."
        )
    return finite
