"""Whose labels are known, and who is to get one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from anndata import AnnData

from lowdepth._checks import by_cell, labels, obs_column

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

type Reference = AnnData | str | ArrayLike | None
"""What users name their reference cells by."""


@dataclass(frozen=True)
class TransferCells:
    """Labelled cells and the cells to label.

    The reference cells lie at the positions ``reference`` of ``source``, the queries' own AnnData or another,
    and ``codes`` are their labels. ``kept`` are the labels that cells of the queries' AnnData keep, -1 in the others.
    """

    source: AnnData
    reference: NDArray[np.int64]
    codes: NDArray[np.int64]
    query: NDArray[np.int64]
    kept: NDArray[np.int64]
    dtype: pd.CategoricalDtype


class Transferred(NamedTuple):
    """Probabilities of the query cells, cells by types, how typical they are if that is known, and what to record."""

    cells: TransferCells
    probability: NDArray[np.float64]
    typicality: NDArray[np.float64] | None
    record: dict[str, Any]


def choose_cells(
    adata: AnnData,
    label_key: str,
    reference: Reference,
    *,
    low_umi: float,
    total_umi: Callable[[], NDArray[np.float64]],
    usable: Callable[[AnnData], NDArray[np.bool_]],
) -> TransferCells:
    """Split the cells as the user asked.

    Parameters
    ----------
    adata
        Holds the query cells.
    label_key
        Column of the labels.
    reference
        Another AnnData, a mask or a column of ``obs`` that holds one; ``None`` takes the deep cells.
    low_umi
        UMIs of the shallowest deep cell.
    total_umi
        Gives the cells' depths, which are only asked for where they decide.
    usable
        Says which cells of an AnnData can take part.
    """
    source = reference if isinstance(reference, AnnData) else adata
    label = labels(source, label_key)
    names = "reference cell with a label", "query cell"
    hint = "`reference` has to name cells with labels, and leave others to be labelled"
    if isinstance(reference, AnnData):
        candidate, is_open = np.ones(source.n_obs, bool), np.ones(adata.n_obs, bool)
    elif reference is None:
        total = total_umi()
        candidate, is_open = total >= low_umi, total < low_umi
        names = f"deep cell at or above `low_umi={low_umi}`", f"shallow cell below `low_umi={low_umi}`"
        hint = f"depths run from {total.min():.0f} to {total.max():.0f} UMIs; choose a cutoff between them"
    else:
        candidate = _mask(adata, reference)
        is_open = ~candidate
    is_reference = candidate & usable(source) & (label.codes >= 0)
    is_query = is_open & usable(adata)
    for name, chosen in zip(names, (is_reference, is_query), strict=True):
        if not chosen.any():
            msg = f"no usable {name}: {hint}"
            raise ValueError(msg)
    return TransferCells(
        source,
        np.flatnonzero(is_reference),
        label.codes[is_reference].astype(np.int64),
        np.flatnonzero(is_query),
        np.where(is_open, -1, label.codes if source is adata else -1),
        label.dtype,
    )


def _mask(adata: AnnData, reference: str | ArrayLike) -> NDArray[np.bool_]:
    where = f"adata.obs[{reference!r}]" if isinstance(reference, str) else "`reference`"
    mask = np.asarray(obs_column(adata, reference) if isinstance(reference, str) else by_cell(reference, adata))
    if mask.dtype != bool or mask.shape != (adata.n_obs,):
        msg = (
            f"{where} has dtype {mask.dtype} and shape {mask.shape}; expected {adata.n_obs} booleans, one for each cell"
        )
        raise ValueError(msg)
    return mask
