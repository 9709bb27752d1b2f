"""Thinning of cells to a given depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth._checks import by_cell, get_counts, numbers, obs_column, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys, ThinKeys, check_name
from lowdepth._random import seed_record, stream_key
from lowdepth._record import storable
from lowdepth._umi_totals import total_umis
from lowdepth.thinning import thin_counts

from ._depth import measured_again, write_depth

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from lowdepth._random import Rng


@shared_docs
def thin_to_depth(
    adata: AnnData,
    target_depth: float | str | ArrayLike,
    *,
    layer: str | None = None,
    key_added: str | None = None,
    rng: Rng = None,
    copy: bool = False,
) -> AnnData | None:
    """Thin each cell to an expected depth, as if it had been sequenced less.

    Each count y becomes Binomial(y, min(1, target / depth of its cell)), independently:
    the law of a cell whose UMIs were each caught with that probability. Cells at or below
    their target stay as they are. The draw is exact, and the same for a dense, CSR, CSC or
    dask matrix, for any chunking and number of threads; a dask array is thinned lazily,
    block by block, after one pass that reads the depths.

    Parameters
    ----------
    {adata}
    target_depth
        UMIs per cell: one number for all cells, an array of ``n_obs``, a Series by cell, or the name of
        an ``obs`` column.
    {layer}
    key_added
        Write the thinned counts into ``layers[key_added]`` instead of over the counts.
    {rng}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes the thinned counts, of the same
    container and dtype, into ``X``, ``layers[layer]`` or ``layers[key_added]``, and ``uns["thin_to_depth"]``, the
    parameters of the last call.

    Where it thins counts whose depths are in ``obs``, these are measured again (a dask array is read once more):
    ``obs["total_umi"]`` and ``obs["log10_umi"]``, and after :func:`depth_metrics` also ``obs["n_genes"]``,
    ``obs["low_umi"]`` and ``uns["depth_metrics"]``; ``obs["max_ambient_share"]``, which needs the ambient profile, is
    dropped.

    Raises
    ------
    {counts_errors}
        Or ``target_depth`` has the wrong length or is not above zero, or ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.thin_to_depth(adata, 50, key_added="shallow", rng=0)
    >>> bool(adata.layers["shallow"].sum() < adata.X.sum())
    True
    """
    if key_added is not None:
        check_name(key_added)
    counts = get_counts(adata, layer)
    total = total_umis(counts)
    target = _target(adata, target_depth)
    keep = np.minimum(1.0, target / np.maximum(total, 1.0))
    thinned = thin_counts(counts, keep, stream_key(rng, total.sum()))

    adata = writable(adata, copy=copy)
    written = layer if key_added is None else key_added
    adata.layers[written] = thinned
    if written == layer and DepthKeys.total_umi in adata.obs and not measured_again(adata, layer):
        write_depth(adata, total_umis(thinned))
    named = target_depth if isinstance(target_depth, str) else target[()]
    params = {"target_depth": named, "layer": layer, "key_added": key_added, **seed_record(rng)}
    adata.uns[ThinKeys.uns] = {"params": storable(params)}
    return adata if copy else None


def _target(adata: AnnData, target_depth: float | str | ArrayLike) -> NDArray[np.float64]:
    if isinstance(target_depth, str):
        target_depth = numbers(obs_column(adata, target_depth), f"adata.obs[{target_depth!r}]")
    target = numbers(by_cell(target_depth, adata), "`target_depth`")
    if target.ndim and target.shape != (adata.n_obs,):
        msg = (
            f"`target_depth` has shape {target.shape}; expected one number, or one for each of the {adata.n_obs} cells"
        )
        raise ValueError(msg)
    bad = target[~(target > 0)]
    if bad.size:
        msg = (
            f"`target_depth` holds {bad.flat[0]}: depths are above zero; drop cells with `ld.pp.filter_low_umi` instead"
        )
        raise ValueError(msg)
    return target
