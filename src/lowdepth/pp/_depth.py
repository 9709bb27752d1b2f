"""How deep each cell is, and the floor below which a cell holds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from fast_array_utils import types
from fast_array_utils.stats import sum as array_sum

from lowdepth._ambient import ambient_counts, largest_share, least_shares
from lowdepth._checks import at_least, drop_column, get_counts, loaded, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys
from lowdepth._record import storable
from lowdepth._sparse_structure import in_one_place
from lowdepth._umi_totals import in_memory, row_sums, total_umis

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from lowdepth._ambient import AmbientProfile


@shared_docs
def depth_metrics(
    adata: AnnData,
    *,
    low_umi: float = 1000,
    ambient_profile: AmbientProfile | None = None,
    layer: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Measure the depth of each cell, and how much of it can be ambient RNA.

    **Ambient RNA.** A cell with many ambient UMIs has the genes that ambient RNA brings, whatever else it holds. The
    largest share of its UMIs that this allows is an upper bound, which one cell in twenty exceeds at most. It
    is 1 where a cell may be nothing but ambient RNA: that of a shallow cell often is, since few
    UMIs exclude little. :func:`lowdepth.tl.recommend_cutoff` knows types, so it can estimate the share, and says
    more. The profile is taken as exact: sum up many empty droplets.

    Parameters
    ----------
    {adata}
    {low_umi}
    {ambient_profile}
    {layer}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obs["total_umi"]`` : number of UMIs, float64
    ``adata.obs["log10_umi"]`` : log10(``total_umi`` + 1)
    ``adata.obs["n_genes"]`` : number of genes with at least one UMI
    ``adata.obs["low_umi"]`` : whether the cell has fewer than ``low_umi`` UMIs
    ``adata.obs["max_ambient_share"]`` : with an ambient profile, the share of the UMIs that can be ambient RNA at most
    ``adata.uns["depth_metrics"]`` : the parameters

    Raises
    ------
    {counts_errors}
        Or the ambient profile does not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.depth_metrics(adata, low_umi=500)
    >>> [key for key in adata.obs if key.endswith(("umi", "genes"))]
    ['total_umi', 'log10_umi', 'n_genes', 'low_umi']
    """
    at_least("low_umi", low_umi, 0)
    counts = _ordered(get_counts(adata, layer))
    ambient = None if ambient_profile is None else ambient_counts(ambient_profile, adata)
    total, n_genes = in_memory(row_sums(counts), array_sum(counts > 0, axis=1, dtype=np.int64))
    share = None if ambient is None else _largest_share(counts, ambient, least_shares(ambient, total.max()))

    adata = writable(adata, copy=copy)
    write_depth(adata, total)
    keys = DepthKeys()
    adata.obs[keys.n_genes] = n_genes
    adata.obs[keys.low_umi] = total < low_umi
    drop_column(adata, keys.max_ambient_share)
    if share is not None:
        adata.obs[keys.max_ambient_share] = share
    adata.uns[keys.uns] = {"params": storable({"low_umi": low_umi, "layer": layer})}
    return adata if copy else None


@shared_docs
def filter_low_umi(
    adata: AnnData, min_umi: float = 20, *, layer: str | None = None, copy: bool = False
) -> AnnData | None:
    """Drop the cells that hold too few UMIs for any method.

    Parameters
    ----------
    {adata}
    min_umi
        Cells with fewer UMIs are dropped; 20 is the floor of the method's tutorial.
    {layer}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Drops cells from ``adata`` and writes
    ``adata.obs["total_umi"]`` and ``adata.obs["log10_umi"]``.

    Raises
    ------
    {counts_errors}
        Or no cell would be left.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.filter_low_umi(adata, min_umi=200)
    >>> bool((adata.obs["total_umi"] >= 200).all())
    True
    """
    at_least("min_umi", min_umi, 0)
    total = total_umis(get_counts(adata, layer))
    kept = total >= min_umi
    if not kept.any():
        msg = f"`min_umi={min_umi}` would drop every cell: the deepest has {total.max():.0f} UMIs; lower it"
        raise ValueError(msg)

    adata = writable(adata, copy=copy)
    write_depth(adata, total)
    adata._inplace_subset_obs(kept)
    return adata if copy else None


def _ordered(counts: Any) -> Any:
    is_lazy = isinstance(counts, types.DaskArray)
    return counts.map_blocks(in_one_place, dtype=counts.dtype, meta=counts._meta) if is_lazy else in_one_place(counts)


def _largest_share(counts: Any, ambient: NDArray[np.float64], needed: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(counts, types.DaskArray):
        of_whole_cells = counts.rechunk({1: -1})
        shares = of_whole_cells.map_blocks(
            largest_share, ambient, needed, dtype=np.float64, drop_axis=1, meta=np.empty(0)
        )
        return np.asarray(shares.compute())
    return largest_share(counts, ambient, needed)


def measured_again(adata: AnnData, layer: str | None) -> bool:
    """Measure counts that have replaced those which :func:`depth_metrics` measured, and say whether it had."""
    params = loaded(adata.uns.get(DepthKeys.uns, {})).get("params")
    if params is None or params.get("layer") != layer:
        return False
    depth_metrics(adata, low_umi=params["low_umi"], layer=layer)
    return True


def write_depth(adata: AnnData, total: np.ndarray) -> None:
    """Write the depth of each cell, as it is and on the scale of the plots."""
    adata.obs[DepthKeys.total_umi] = total
    adata.obs[DepthKeys.log10_umi] = np.log10(total + 1)
