"""Columns of ``obs`` and ``var``, also of an AnnData that was opened lazily."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._messages import missing

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray


def obs_in_memory(adata: AnnData) -> pd.DataFrame:
    """Get ``obs``; that of an AnnData that was opened lazily is read."""
    return _frame(adata.obs)


def obs_column(adata: AnnData, key: str, *, what: str = "column") -> pd.Series[Any]:
    """Get a column of ``obs``."""
    if key not in adata.obs:
        raise KeyError(missing(what, key, adata.obs.columns, "adata.obs"))
    return _frame(adata.obs[[key]])[key]


def var_column(adata: AnnData, key: str) -> pd.Series[Any]:
    """Get a column of ``var``."""
    if key not in adata.var:
        raise KeyError(missing("column", key, adata.var.columns, "adata.var"))
    return _frame(adata.var[[key]])[key]


def _frame(table: Any) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else table.to_memory()


def numbers(values: ArrayLike | pd.Series[Any], where: str) -> NDArray[np.float64]:
    """Get float64 numbers out of whatever holds them."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{where} holds something that is not a number: {error}"
        raise ValueError(msg) from error


def depths(adata: AnnData, key: str) -> NDArray[np.float64]:
    """Get a column that :func:`lowdepth.pp.depth_metrics` writes."""
    if key not in adata.obs:
        msg = f"adata.obs[{key!r}] is missing; run `ld.pp.depth_metrics(adata)` on the raw counts first"
        raise KeyError(msg)
    values = numbers(adata.obs[key], f"adata.obs[{key!r}]")
    bad = values[~(np.isfinite(values) & (values >= 0))]
    if bad.size:
        msg = f"adata.obs[{key!r}] holds {bad[0]}, no depth; measure it again with `ld.pp.depth_metrics(adata)`"
        raise ValueError(msg)
    return values


def labels(adata: AnnData, label_key: str) -> pd.Categorical[Any]:
    """Get a column of ``obs`` as categories; missing labels stay missing."""
    column = obs_column(adata, label_key, what="label column")
    if column.isna().all():
        msg = f"adata.obs[{label_key!r}] holds no label: all {len(column)} values are missing"
        raise ValueError(msg)
    label = pd.Categorical(column)
    names = label.categories.astype(str)
    if not names.is_unique:
        twice = [value for value, again in zip(label.categories, names.duplicated(keep=False), strict=True) if again]
        msg = f"adata.obs[{label_key!r}] holds labels that read the same, {twice[:2]}: make all of them strings"
        raise ValueError(msg)
    return label


def by_cell(values: Any, adata: AnnData) -> Any:
    """Give a Series in the order of the cells that its index names; whatever else comes is in that order already."""
    if not isinstance(values, pd.Series) or values.index.equals(adata.obs_names):
        return values
    is_named = values.index.is_unique and len(values) == adata.n_obs and adata.obs_names.isin(values.index).all()
    return values.loc[adata.obs_names] if is_named else values


def check_complete(adata: AnnData, batch_key: str | None) -> None:
    """Raise if there is no such column of batches, or a cell without a batch."""
    if batch_key is not None and (n_missing := int((labels(adata, batch_key).codes < 0).sum())):
        msg = f"adata.obs[{batch_key!r}] is missing for {n_missing} cells: give them a batch, or drop them"
        raise ValueError(msg)
