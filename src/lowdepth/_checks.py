"""Checks of what users pass: each raises one message that names the value, the expectation and the next step."""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pandas as pd
from fast_array_utils import types
from fast_array_utils.numba import njit
from fast_array_utils.stats import sum as array_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def warn(message: str) -> None:
    """Warn and point at the user's own line, not at ours."""
    warnings.warn(message, UserWarning, skip_file_prefixes=(str(Path(__file__).parent),))


def writable(adata: AnnData, *, copy: bool) -> AnnData:
    """Give the object to write results into; call it last, when nothing can fail any more."""
    if copy:
        return adata.copy()
    if adata.is_view:
        warn("Received a view of an AnnData. Making a copy.")
        adata._init_as_actual(adata.copy())
    return adata


def get_counts(adata: AnnData, layer: str | None) -> Any:
    """Get ``X`` or a layer after checking that it holds raw counts.

    Dask arrays are not computed: their blocks are checked when they are.
    """
    if layer is not None and layer not in adata.layers:
        raise KeyError(_missing("layer", layer, [name for name in adata.layers if name is not None], "adata.layers"))
    counts = adata.layers[layer]
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    if counts is None:
        msg = f"{where} is empty; put the raw counts there, or name the layer that holds them with `layer=`"
        raise ValueError(msg)
    if adata.isbacked or not isinstance(counts, np.ndarray | types.CSBase | types.DaskArray):
        msg = (
            f"{where} is a {type(counts).__name__} backed by a file; read it with `adata.to_memory()`, "
            "or lazily as a dask array with `anndata.experimental.read_elem_lazy`"
        )
        raise NotImplementedError(msg)
    if 0 in counts.shape:
        msg = f"{where} has shape {counts.shape}: there is nothing to work on; check the filter before this step"
        raise ValueError(msg)
    if not isinstance(counts, types.DaskArray):
        check_counts(counts, where)
    return counts


def check_counts(counts: NDArray[Any] | types.CSBase, where: str) -> None:
    """Raise unless all values are finite, whole and not negative."""
    values = counts if isinstance(counts, np.ndarray) else counts.data
    if values.dtype.kind in "bu":
        return
    if values.dtype.kind not in "if":
        msg = f"{where} has dtype {values.dtype}; counts are integers or whole floating-point numbers"
        raise ValueError(msg)
    bad = _first_bad(np.ascontiguousarray(values).reshape(-1).astype(values.dtype.newbyteorder("="), copy=False))
    if bad < 0:
        return
    value = values.reshape(-1)[bad]
    if np.isnan(value) or np.isinf(value):
        msg = f"{where} holds {value}; counts are finite; find the step that made it, or start from the raw matrix"
    elif value < 0:
        msg = (
            f"{where} holds the negative value {value}; is it scaled? lowdepth needs raw counts, e.g. `layer='counts'`"
        )
    else:
        msg = (
            f"{where} holds {value}, which is not a whole number; is it normalised or log-transformed? "
            "lowdepth needs raw counts, e.g. `layer='counts'`"
        )
    raise ValueError(msg)


@njit
def _first_bad(values: NDArray[Any]) -> int:
    # one parallel pass without temporaries; the second finds the place, only where there is one
    n_bad = 0
    for i in numba.prange(len(values)):
        value = values[i]
        if not (value >= 0 and value == np.floor(value) and value < np.inf):
            n_bad += 1
    if n_bad:
        for i in range(len(values)):
            value = values[i]
            if not (value >= 0 and value == np.floor(value) and value < np.inf):
                return i
    return -1


def total_umis(counts: Any) -> NDArray[np.float64]:
    """Sum up each cell's UMIs, exactly: in 64 bits, whatever the dtype of the counts."""
    totals = array_sum(counts, axis=1, dtype=np.float64)
    return np.asarray(totals.compute() if isinstance(totals, types.DaskArray) else totals)


def obs_column(adata: AnnData, key: str, *, what: str = "column") -> pd.Series[Any]:
    """Get a column of ``obs``."""
    if key not in adata.obs:
        raise KeyError(_missing(what, key, adata.obs.columns, "adata.obs"))
    return adata.obs[key]


def labels(adata: AnnData, label_key: str) -> pd.Categorical[Any]:
    """Get a column of ``obs`` as categories; missing labels stay missing."""
    column = obs_column(adata, label_key, what="label column")
    if column.isna().all():
        msg = f"adata.obs[{label_key!r}] holds no label: all {len(column)} values are missing"
        raise ValueError(msg)
    return pd.Categorical(column)


def representation(adata: AnnData, use_rep: str) -> NDArray[Any]:
    """Get an array of ``obsm``, dense, cells by dimensions."""
    if use_rep not in adata.obsm:
        raise KeyError(_missing("representation", use_rep, adata.obsm.keys(), "adata.obsm"))
    return np.asarray(adata.obsm[use_rep])


def at_least(name: str, value: float, minimum: float) -> None:
    """Raise unless a number is finite and not below ``minimum``."""
    if not (np.isfinite(value) and value >= minimum):
        msg = f"`{name}={value}`: it has to be a finite number of at least {minimum}"
        raise ValueError(msg)


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise unless an option is one of those allowed."""
    if value not in allowed:
        raise ValueError(_missing(name, value, allowed, f"the choices for `{name}`"))


def _missing(what: str, name: str, present: Iterable[str], where: str) -> str:
    present = [str(other) for other in present]
    near = difflib.get_close_matches(str(name), present, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(map(repr, present[:10])) + (", …" if len(present) > 10 else "")
    return f"there is no {what} {name!r} in {where}{hint} Present: {shown or 'nothing'}"
