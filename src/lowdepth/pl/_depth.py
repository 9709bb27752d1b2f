"""The depths that the plots read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth._checks import numbers

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def depths(adata: AnnData, key: str) -> NDArray[np.float64]:
    """Get a column that :func:`lowdepth.pp.depth_metrics` writes."""
    if key not in adata.obs:
        msg = f"adata.obs[{key!r}] is missing; run `ld.pp.depth_metrics(adata)` on the raw counts first"
        raise KeyError(msg)
    values = numbers(adata.obs[key], f"adata.obs[{key!r}]")
    bad = values[~np.isfinite(values)]
    if bad.size:
        msg = f"adata.obs[{key!r}] holds {bad[0]}; measure it again with `ld.pp.depth_metrics(adata)`"
        raise ValueError(msg)
    return values
