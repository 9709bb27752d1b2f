"""Thinning of any container: dense, sparse or dask."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
from fast_array_utils import types

from lowdepth._checks import CONTAINERS, check_counts
from lowdepth._sparse_structure import in_one_place

from ._kernels import thin_csr, thin_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray


def thin_counts(
    counts: Any,
    keep: NDArray[np.float64],
    key: np.uint64,
    *,
    overdispersion: NDArray[np.float64] | None = None,
) -> Any:
    """Keep each UMI of cell ``i`` with probability ``keep[i]``, independently.

    Parameters
    ----------
    counts
        Non-negative whole numbers, cells by genes, of any real dtype.
    keep
        Probability for each cell, in [0, 1].
    key
        Key of the random stream: same key, same draw, whatever the container.
    overdispersion
        For each gene, the α of its variance μ + αμ². Where it is above zero the draw is
        beta-binomial, which makes kept and lost counts of a negative-binomial gene
        independent (Neufeld et al., "Negative binomial count splitting for single-cell
        RNA sequencing data", 2023).

    Returns
    -------
    Counts of the same container, shape and dtype; sparse ones store no zeros.

    Examples
    --------
    >>> thin_counts(np.array([[9, 0], [4, 4]]), np.array([0.0, 1.0]), np.uint64(0))
    array([[0, 0],
           [4, 4]])
    """
    n_obs, n_vars = np.shape(counts)
    keep = np.asarray(keep, np.float64)
    per_gene = np.zeros(n_vars) if overdispersion is None else np.asarray(overdispersion, np.float64)
    # the compiled loops check nothing: a wrong length would read foreign memory
    if keep.shape != (n_obs,) or not ((keep >= 0) & (keep <= 1)).all():
        msg = f"`keep` has to hold one probability, in [0, 1], for each of the {n_obs} cells; its shape is {keep.shape}"
        raise ValueError(msg)
    if per_gene.shape != (n_vars,):
        msg = f"`overdispersion` has shape {per_gene.shape}; expected one number for each of the {n_vars} genes"
        raise ValueError(msg)
    return _thin(counts, keep, per_gene, key, (0, 0))


@singledispatch
def _thin(
    counts: object,
    keep: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
    origin: tuple[int, int],
) -> Any:
    msg = f"counts in a {type(counts).__name__} cannot be thinned; {CONTAINERS}"
    raise TypeError(msg)


@_thin.register(np.ndarray)
def _thin_dense(
    counts: NDArray[Any],
    keep: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
    origin: tuple[int, int],
) -> NDArray[Any]:
    return thin_dense(check_counts(counts, "`counts`"), keep, overdispersion, key, origin)


@_thin.register(types.CSBase)
def _thin_sparse(
    counts: types.CSBase,
    keep: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
    origin: tuple[int, int],
) -> types.CSBase:
    check_counts(counts, "`counts`")
    if counts.format == "csc":
        return _thin_sparse(counts.tocsr(), keep, overdispersion, key, origin).tocsc()
    counts = in_one_place(counts)  # two stored parts of one count would share one stream
    thinned = thin_csr(counts.data, counts.indices, counts.indptr, keep, overdispersion, key, origin)
    return type(counts)(thinned, shape=counts.shape)


@_thin.register(types.DaskArray)
def _thin_dask(
    counts: types.DaskArray,
    keep: NDArray[np.float64],
    overdispersion: NDArray[np.float64],
    key: np.uint64,
    origin: tuple[int, int],
) -> types.DaskArray:
    def thin_block(
        block: Any, keep: NDArray[np.float64], overdispersion: NDArray[np.float64], block_info: dict[int, Any]
    ) -> Any:
        (top, _), (left, _) = block_info[0]["array-location"]
        return _thin(block, keep[:, 0], overdispersion[0], key, (origin[0] + top, origin[1] + left))

    from dask import optimize  # noqa: PLC0415  whoever has a dask array has dask
    from dask.array import from_array  # noqa: PLC0415

    # as arrays with the same chunks: a worker gets its own cells' probabilities, not those of all cells
    rows, columns = counts.chunks
    thinned = counts.map_blocks(
        thin_block,
        from_array(keep[:, np.newaxis], chunks=(rows, 1)),
        from_array(overdispersion[np.newaxis], chunks=(1, columns)),
        dtype=counts.dtype,
        meta=counts._meta,
    )
    # now, or each block that is computed alone makes dask go through the tasks of all blocks, time and again
    return optimize(thinned)[0]
