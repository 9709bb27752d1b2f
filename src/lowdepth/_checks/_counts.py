"""Raw counts: a container that can be worked on, and whole numbers in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from anndata import AnnData
from fast_array_utils import types
from fast_array_utils.numba import njit

from lowdepth._sparse_structure import check_structure

from ._messages import missing

if TYPE_CHECKING:
    from numpy.typing import NDArray


COUNT_DTYPES = frozenset(map(np.dtype, "?bBhHiIlLqQfd"))
"""What the compiled loops take, in the machine's own byte order."""

SAMPLE = 2**14
"""Values that are looked at before all of them: nearly every normalised count is a fraction, and found at once."""

CONTAINERS = "use a numpy array, a scipy CSR or CSC matrix, or a dask array of these"
"""The next step in messages about containers."""


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
        raise KeyError(missing("layer", layer, [name for name in adata.layers if name is not None], "adata.layers"))
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


def check_no_empty_cells(total_umi: NDArray[np.float64]) -> None:
    """Raise if a cell holds no UMI at all."""
    n_empty = int((total_umi == 0).sum())
    if n_empty:
        msg = f"{n_empty} cells hold no UMI; drop them with `ld.pp.filter_low_umi(adata, min_umi=1)`"
        raise ValueError(msg)
