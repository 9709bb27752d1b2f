"""Where the encoder puts an empty cell, and how near to it the cells lie."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lowdepth._checks import at_least, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import BiasPointKeys
from lowdepth._record import storable
from lowdepth.model._seed import seeded
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model
from lowdepth.tl._cells._thinned_embedding import embed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

logger = logging.getLogger("lowdepth")


@shared_docs
def bias_point(
    adata: AnnData,
    model: BaseModelClass,
    *,
    low_umi: float = 1000,
    layer: str | None = None,
    key_added: str = "bias_point",
    copy: bool = False,
) -> AnnData | None:
    """Find where the encoder puts an empty cell, and how far each cell has collapsed onto that point.

    The input of scVI's encoder, log1p of the counts, shrinks with depth. At no counts at all only
    the biases of its layers are left: all shallow cells slide to that one point, whatever their
    type. The distance d_i of the embedding of cell i to it says how far they are on that way, in
    units of the deep cells' median:

        collapse_i = 1 - d_i / median(d_j over deep cells j).

    It is 1 at the bias point and 0 as far from it as the median deep cell; cells farther away are
    below 0, half of the deep ones. An encoder that is shown the direction of the counts (preset
    ``"denoise"``) gets an empty cell as zeros too, but does not see depth: no path leads there.

    Parameters
    ----------
    {adata}
    {model}
    {low_umi}
    {model_layer}
    key_added
        Key in ``uns``, and the beginning of the columns.
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obs["bias_point_distance"]`` : Euclidean distance to the bias point
    ``adata.obs["bias_point_collapse"]`` : collapse index
    ``adata.uns["bias_point"]`` : the parameters, ``point``, of ``n_latent`` numbers, and ``per_depth``, a data frame by
    half decade of UMIs (``umi_low`` inclusive, ``umi_high``): median ``distance``, median ``collapse`` index with
    quartiles (``collapse_low``, ``collapse_high``), number of cells ``n``

    With an encoder that sees covariates (``encode_covariates=True``), each cell is compared with an empty
    cell of its own covariates, and ``point`` is the mean of these.

    Raises
    ------
    {model_errors}
    ValueError
        The model has not been trained or was trained on other genes or batches; the counts are not
        raw, or a cell has none; no cell is deep; or all deep cells lie at the bias point;
        ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.bias_point(adata, model, low_umi=500)
    >>> adata.uns["bias_point"]["point"].shape
    (8,)
    """
    keys = BiasPointKeys(key_added)
    at_least("low_umi", low_umi, 0)
    check_model(model)
    cells = ModelCells.of(adata, model, layer)
    total_umi = cells.total_umi
    deep = total_umi >= low_umi
    if not deep.any():
        msg = f"no cell has `low_umi={low_umi}` UMIs: the deepest has {total_umi.max():.0f}; lower `low_umi`"
        raise ValueError(msg)
    # one empty cell stands for all where the encoder sees nothing but counts
    twins = cells if model.module.encode_covariates else cells.take(np.arange(1))
    empty = twins._replace(counts=sp.csr_matrix(twins.counts.shape, dtype=twins.counts.dtype))
    with seeded(0):
        points, latent = embed(empty, model), embed(cells, model)
    distance = np.linalg.norm(latent - points, axis=1)
    unit = float(np.median(distance[deep]))
    if not (np.isfinite(unit) and unit > 0):
        msg = f"the deep cells' median distance to the bias point is {unit}: `model` embeds them all there; train again"
        raise ValueError(msg)
    collapse = 1 - distance / unit

    adata = writable(adata, copy=copy)
    adata.obs[keys.distance], adata.obs[keys.collapse] = distance, collapse
    adata.uns[keys.uns] = {
        "params": storable({"low_umi": low_umi, "layer": layer}),
        "point": points.mean(axis=0),
        "per_depth": _per_depth(total_umi, distance, collapse, low_umi=low_umi),
    }
    logger.info("added\n    .obs[%r]\n    .obs[%r]\n    .uns[%r]", keys.distance, keys.collapse, keys.uns)
    return adata if copy else None


def _per_depth(
    total_umi: NDArray[np.float64], distance: NDArray[np.float64], collapse: NDArray[np.float64], *, low_umi: float
) -> pd.DataFrame:
    """Summarise cells in half decades of UMIs, counted from the cutoff."""
    cutoff = max(low_umi, 1)
    step = np.floor(2 * np.log10(total_umi / cutoff))
    bins = pd.DataFrame({"distance": distance, "collapse": collapse}).groupby(step)
    steps = np.unique(step)
    return pd.DataFrame(
        {
            "umi_low": cutoff * 10 ** (steps / 2),
            "umi_high": cutoff * 10 ** ((steps + 1) / 2),
            "distance": bins["distance"].median().to_numpy(),
            "collapse": bins["collapse"].median().to_numpy(),
            "collapse_low": bins["collapse"].quantile(0.25).to_numpy(),
            "collapse_high": bins["collapse"].quantile(0.75).to_numpy(),
            "n": bins.size().to_numpy(),
        }
    )
