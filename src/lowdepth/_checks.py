"""Checks of what users pass: each raises one message that names the value, the expectation and the next step."""

from __future__ import annotations

import difflib
import itertools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pandas as pd
from anndata import AnnData
from fast_array_utils import types
from fast_array_utils.numba import njit
from fast_array_utils.stats import sum as array_sum

from ._sparse_structure import check_structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray


COUNT_DTYPES = frozenset(map(np.dtype, "?bBhHiIlLqQfd"))
"""What the compiled loops take, in the machine's own byte order."""

SAMPLE = 2**14
"""Values that are looked at before all of them: nearly every normalised count is a fraction, and found at once."""

CONTAINERS = "use a numpy array, a scipy CSR or CSC matrix, or a dask array of these"
"""The next step in messages about containers."""


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

    A dask array stays lazy: each of its blocks is checked when it is computed.
    """
    if not isinstance(adata, AnnData):
        msg = (
            f"`adata` is a {type(adata).__name__}; expected an AnnData: read a file with `anndata.read_h5ad`, "
            "or pass one modality or table, e.g. `mdata['rna']`"
        )
        raise TypeError(msg)
    if layer is not None and layer not in adata.layers:
        raise KeyError(_missing("layer", layer, [name for name in adata.layers if name is not None], "adata.layers"))
    counts = adata.layers.get(layer)
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    if counts is None:
        msg = f"{where} is empty; put the raw counts there, or name the layer that holds them with `layer=`"
        raise ValueError(msg)
    if adata.isbacked or isinstance(counts, types.CSDataset | types.H5Dataset | types.ZarrArray):
        msg = (
            f"{where} is a {type(counts).__name__} backed by a file; read it with `adata.to_memory()`, "
            "or lazily as a dask array with `anndata.experimental.read_elem_lazy`"
        )
        raise NotImplementedError(msg)
    if not isinstance(counts, np.ndarray | types.CSBase | types.DaskArray):
        msg = f"{where} is a {type(counts).__name__}; {CONTAINERS}"
        raise TypeError(msg)
    if 0 in counts.shape:
        msg = f"{where} has shape {counts.shape}: there is nothing to work on; check the filter before this step"
        raise ValueError(msg)
    if adata.is_view:
        counts = counts.copy()  # gives scipy's and numpy's own types: anndata's view types would live on in the results
    if isinstance(counts, types.DaskArray):
        return counts.map_blocks(check_counts, where, dtype=counts.dtype, meta=counts._meta)
    return check_counts(counts, where)


def counts_in_memory(adata: AnnData, layer: str | None, function: str) -> Any:
    """Get raw counts for a function that does not work block by block."""
    counts = get_counts(adata, layer)
    if isinstance(counts, types.DaskArray):
        msg = f"`{function}` takes no dask array: load the cells, or a sample of them, with `adata.to_memory()`"
        raise NotImplementedError(msg)
    return counts


def check_counts[Counts: NDArray[Any] | types.CSBase](counts: Counts, where: str) -> Counts:
    """Raise unless all values are finite, whole and not negative; give the counts back.

    A sample is looked at first, and then all values, none of which is ever rounded; nothing is
    read of a dtype that holds counts only.
    """
    if isinstance(counts, types.CSBase):
        check_structure(counts, where)
    values = counts if isinstance(counts, np.ndarray) else counts.data
    if values.dtype not in COUNT_DTYPES:
        msg = f"{where} has dtype {values.dtype}; counts are integers, float32 or float64: convert them with `astype`"
        raise ValueError(msg)
    if values.dtype.kind in "bu":
        return counts
    flat = values.ravel(order="K")
    for step in dict.fromkeys((len(flat) // SAMPLE + 1, 1)):
        looked_at = np.ascontiguousarray(flat[::step])
        place = _first_bad(looked_at)
        if place >= 0:
            raise ValueError(_not_a_count(looked_at[place], where))
    return counts


def _not_a_count(value: Any, where: str) -> str:
    if np.isnan(value) or np.isinf(value):
        return f"{where} holds {value}; counts are finite; find the step that made it, or start from the raw matrix"
    if value < 0:
        return (
            f"{where} holds the negative value {value}; is it scaled? lowdepth needs raw counts, e.g. `layer='counts'`"
        )
    return (
        f"{where} holds {value}, which is not a whole number; is it normalised or log-transformed? "
        "lowdepth needs raw counts, e.g. `layer='counts'`"
    )


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
    return in_memory(row_sums(counts))[0]


def row_sums(counts: Any) -> Any:
    """Sum up each cell's UMIs; those of a dask array stay lazy."""
    if isinstance(counts, types.CSBase) and counts.format == "csr":
        return _row_sums(counts.data, counts.indptr)
    return array_sum(counts, axis=1, dtype=np.float64)


def in_memory(*arrays: Any) -> tuple[NDArray[Any], ...]:
    """Give numpy arrays; those that are lazy are computed together, in one pass over their blocks."""
    if any(isinstance(array, types.DaskArray) for array in arrays):
        import dask  # noqa: PLC0415  whoever has a dask array has dask

        arrays = dask.compute(*arrays)
    return tuple(map(np.asarray, arrays))


@njit
def _row_sums(data: NDArray[Any], indptr: NDArray[Any]) -> NDArray[np.float64]:
    # scipy copies all counts to float64 first, which takes twice their memory
    sums = np.zeros(len(indptr) - 1)
    for row in numba.prange(len(sums)):
        for i in range(indptr[row], indptr[row + 1]):
            sums[row] += np.float64(data[i])
    return sums


def check_no_empty_cells(total_umi: NDArray[np.float64]) -> None:
    """Raise if a cell holds no UMI at all."""
    n_empty = int((total_umi == 0).sum())
    if n_empty:
        msg = f"{n_empty} cells hold no UMI; drop them with `ld.pp.filter_low_umi(adata, min_umi=1)`"
        raise ValueError(msg)


def check_own_column(adata: AnnData, key: str, entry: str, *, function: str, argument: str = "key_added") -> None:
    """Raise if ``obs`` has a column of that name that the function did not write.

    Its record would say so, by an entry or a parameter that no other function's record has.
    """
    record = adata.uns.get(key)
    is_own = isinstance(record, Mapping) and entry in {*record, *record.get("params", ())}
    if key in adata.obs and not is_own:
        msg = (
            f"adata.obs[{key!r}] is there already, and no adata.uns[{key!r}] says that `{function}` wrote it; "
            f"pass another `{argument}`, or rename or delete that column"
        )
        raise ValueError(msg)


def loaded(record: Any) -> Any:
    """Read a record in ``uns`` of an AnnData that was opened lazily: its arrays and data frames, wherever they lie."""
    if isinstance(record, types.DaskArray):
        return record.compute()
    if hasattr(record, "to_memory"):
        return record.to_memory()
    return {name: loaded(value) for name, value in record.items()} if isinstance(record, Mapping) else record


def obs_in_memory(adata: AnnData) -> pd.DataFrame:
    """Get ``obs``; that of an AnnData that was opened lazily is read."""
    return _frame(adata.obs)


def _frame(table: Any) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else table.to_memory()


def obs_column(adata: AnnData, key: str, *, what: str = "column") -> pd.Series[Any]:
    """Get a column of ``obs``."""
    if key not in adata.obs:
        raise KeyError(_missing(what, key, adata.obs.columns, "adata.obs"))
    return _frame(adata.obs[[key]])[key]


def var_column(adata: AnnData, key: str) -> pd.Series[Any]:
    """Get a column of ``var``."""
    if key not in adata.var:
        raise KeyError(_missing("column", key, adata.var.columns, "adata.var"))
    return _frame(adata.var[[key]])[key]


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
    return pd.Categorical(column)


def check_complete(adata: AnnData, batch_key: str | None) -> None:
    """Raise if there is no such column of batches, or a cell without a batch."""
    if batch_key is not None and (n_missing := int((labels(adata, batch_key).codes < 0).sum())):
        msg = f"adata.obs[{batch_key!r}] is missing for {n_missing} cells: give them a batch, or drop them"
        raise ValueError(msg)


def representation(adata: AnnData, use_rep: str) -> NDArray[Any]:
    """Get an array of ``obsm``, dense, cells by dimensions."""
    if use_rep not in adata.obsm:
        raise KeyError(_missing("representation", use_rep, adata.obsm.keys(), "adata.obsm"))
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


def some(names: Iterable[object]) -> str:
    """Name the first few of many.

    >>> some(["a", "b"]), some("abcde")
    ('a, b', 'a, b, c, …')
    """
    first = [str(name) for name in itertools.islice(names, 4)]
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "")


def step_record(adata: AnnData, key: str, *needed: str, step: str) -> Mapping[str, Any]:
    """Get what an earlier step left in ``uns``, with the entries that are needed of it."""
    record = loaded(adata.uns.get(key))
    missing = [name for name in needed if not (isinstance(record, Mapping) and name in record)]
    if missing:
        found = "is missing" if record is None else f"holds no {missing[0]!r}"
        msg = f"adata.uns[{key!r}] {found}; run `{step}` first"
        raise KeyError(msg)
    return record


def finite(name: str, value: float) -> None:
    """Raise unless a number is finite."""
    if not np.isfinite(value):
        msg = f"`{name}={value}`: it has to be a finite number"
        raise ValueError(msg)


def at_least(name: str, value: float, minimum: float) -> None:
    """Raise unless a number is finite and not below ``minimum``."""
    if not (np.isfinite(value) and value >= minimum):
        msg = f"`{name}={value}`: it has to be a finite number of at least {minimum}"
        raise ValueError(msg)


def whole(name: str, value: float, minimum: int) -> None:
    """Raise unless a number is whole and not below ``minimum``."""
    at_least(name, value, minimum)
    if not isinstance(value, int | np.integer):
        msg = f"`{name}={value}`: it has to be a whole number"
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
    return f"there is no {what} {name!r} in {where} (present: {shown or 'nothing'}){hint}"
