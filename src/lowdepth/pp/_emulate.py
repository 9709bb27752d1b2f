"""Shallow cells made from deep ones, so that the truth about them is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth._checks import at_least, finite, get_counts, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import EmulateKeys
from lowdepth._random import seed_record, stream_key
from lowdepth._record import storable
from lowdepth._umi_totals import total_umis
from lowdepth.thinning import thin_counts

from ._depth import measured_again, write_depth

if TYPE_CHECKING:
    from anndata import AnnData

    from lowdepth._random import Rng


@shared_docs
def emulate_low_depth(
    adata: AnnData,
    *,
    log10_mean: float = -1.0,
    log10_sd: float = 1.0,
    min_umi: float = 20,
    layer: str | None = None,
    rng: Rng = None,
    copy: bool = False,
) -> AnnData | None:
    """Make a data set with a broad range of depths out of one of deep cells.

    The recipe of the method's tutorial (Svensson 2026, doi:10.64898/2026.02.11.705441):
    each cell is thinned by its own factor min(1, 10**Normal(``log10_mean``, ``log10_sd``)),
    and cells that end up below ``min_umi`` are dropped. With the defaults about one cell in
    six keeps its depth. Such cells are cleaner than real shallow droplets, which also hold
    ambient RNA and come from damaged cells: scores on them are upper bounds.

    Parameters
    ----------
    {adata}
    log10_mean, log10_sd
        Mean and standard deviation of the factor's log10.
    min_umi
        Cells with fewer UMIs after thinning are dropped.
    {layer}
        Only this matrix is thinned; other layers keep their depth.
    {rng}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Thins ``X`` or the layer, drops cells, and writes

    ``adata.obs["total_umi"]`` : number of UMIs left, float64
    ``adata.obs["log10_umi"]`` : log10(``total_umi`` + 1)
    ``adata.uns["emulate_low_depth"]`` : the parameters, and the number of cells before and after

    After :func:`depth_metrics` of these counts, ``obs["n_genes"]``, ``obs["low_umi"]`` and ``uns["depth_metrics"]`` are
    written anew too; ``obs["max_ambient_share"]``, which needs the ambient profile, is dropped.

    Raises
    ------
    {counts_errors}
        Or no cell would be left.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.emulate_low_depth(adata, rng=0)
    >>> adata.uns["emulate_low_depth"]["n_obs_before"]
    300
    """
    finite("log10_mean", log10_mean)
    at_least("log10_sd", log10_sd, 0)
    at_least("min_umi", min_umi, 0)
    counts = get_counts(adata, layer)
    generator = np.random.default_rng(rng)
    factor = np.minimum(1.0, 10 ** generator.normal(log10_mean, log10_sd, adata.n_obs))
    thinned = thin_counts(counts, factor, stream_key(generator, total_umis(counts).sum()))
    total = total_umis(thinned)
    kept = total >= min_umi
    if not kept.any():
        msg = (
            f"no cell keeps {min_umi} UMIs: the deepest has {total.max():.0f} left; "
            "lower `min_umi` or raise `log10_mean`"
        )
        raise ValueError(msg)

    adata = writable(adata, copy=copy)
    adata.layers[layer] = thinned
    adata._inplace_subset_obs(kept)
    if not measured_again(adata, layer):
        write_depth(adata, total[kept])
    adata.uns[EmulateKeys.uns] = {
        "params": storable(
            {
                "log10_mean": log10_mean,
                "log10_sd": log10_sd,
                "min_umi": min_umi,
                "layer": layer,
                **seed_record(rng),
            }
        ),
        "n_obs_before": len(kept),
        "n_obs_after": int(kept.sum()),
    }
    return adata if copy else None
