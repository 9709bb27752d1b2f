"""The profile of ambient RNA, from whatever the user has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from lowdepth._checks import get_counts, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

type AmbientProfile = ArrayLike | pd.Series[float] | AnnData
"""Counts or shares in the order of the genes, the same by their names, or empty droplets."""


def ambient_counts(profile: AmbientProfile, adata: AnnData) -> NDArray[np.float64]:
    """Get one number for each gene of ``adata``: the user's own, or the sums over the user's empty droplets."""
    if isinstance(profile, AnnData):
        # before the selection of genes, which a view would copy
        sums: Any = get_counts(profile, None).sum(axis=0)
        values = _by_name(np.ravel(sums), profile.var_names, adata.var_names)
    elif isinstance(profile, pd.Series):
        values = _by_name(profile, profile.index, adata.var_names)
    else:
        values = numbers(profile, "`ambient_profile`")
    if values.shape != (adata.n_vars,):
        msg = f"`ambient_profile` has shape {values.shape}; expected one number for each of {adata.n_vars} genes"
        raise ValueError(msg)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        msg = "`ambient_profile` holds numbers that are negative or not finite, or only zeros; give counts or shares"
        raise ValueError(msg)
    return values


def _by_name(values: ArrayLike, own: pd.Index[Any], genes: pd.Index[Any]) -> NDArray[np.float64]:
    absent = genes.difference(own)
    if len(absent):
        msg = f"`ambient_profile` lacks {len(absent)} genes of adata, e.g. {absent[0]!r}; pass one that has them all"
        raise ValueError(msg)
    if not own.is_unique:
        msg = f"`ambient_profile` has the gene {own[own.duplicated()][0]!r} twice; give every gene a name of its own"
        raise ValueError(msg)
    return numbers(values, "`ambient_profile`")[own.get_indexer(genes)]
