"""How much of a representation is depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth._checks import check_complete, depths, finite_cells, labels, representation, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys, LeakageKeys
from lowdepth._random import seed_record
from lowdepth._record import storable

from ._depth_in_latent import centred
from ._leakage_tables import figures_overall, figures_within_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from lowdepth._random import Rng

FEWEST_CELLS = 50
"""Below, a held-out share of variance says nothing."""


@shared_docs
def depth_leakage(
    adata: AnnData,
    use_rep: str | Sequence[str],
    *,
    label_key: str | None = None,
    batch_key: str | None = None,
    n_neighbors: int = 15,
    n_clusters: int = 20,
    max_obs: int | None = 10_000,
    key_added: str = "depth_leakage",
    rng: Rng = 0,
) -> pd.DataFrame:
    """Measure how much of one or several representations is depth.

    Depth is ``obs["log10_umi"]``. All representations are measured on the same cells, those
    that are finite in each of them, with the same folds, so that their figures can be compared.

    * ``r2``: share of the variance of depth that can be read off the representation, in cells that
      the regression has not seen (five folds). It is a ridge regression on the scaled dimensions and
      on a radial kernel of them (Nyström, 300 landmarks), with the penalty of the least leave-one-out
      error: it finds depth in a direction, in a length, and in a direction that differs from type to
      type. 1 where depth is all there, 0 or slightly less where nothing is; a lower bound, as any
      regression may miss something.
    * ``knn_mixing``: how far the depth of a cell is from that of its nearest neighbours, in ranks, over
      the same of random cells. 1 where each neighbourhood has all depths, 0 where it has one only.
    * ``cluster_variance``: share of the variance between the centres of k-means clusters that goes
      along with the clusters' mean depth, linearly. Adjusted for the number of clusters: 0 on
      average, at times less, where clusters and depth have nothing to do with each other.

    Types differ in RNA content: what tells the type tells some depth, and that is no fault. With
    ``label_key``, ``r2_within_type`` and ``knn_mixing_within_type`` leave it out: they take depth
    relative to the mean of its type, and neighbours among cells of the type.

    Parameters
    ----------
    {adata}
    use_rep
        Key in ``obsm``, or several to compare.
    label_key
        Column of ``obs`` with the type of each cell. Cells without one, and types of no more than
        ``n_neighbors`` cells, do not count in the figures within types.
    batch_key
        Column of ``obs``: depth is taken relative to the mean of its batch, since batches may be
        sequenced to different depths and a representation may rightly tell them apart.
    n_neighbors
        Nearest neighbours whose depths are compared; 15 is the tutorial's number of voters.
    n_clusters
        Clusters of each representation; fewer where it has fewer distinct points.
    max_obs
        Cells to measure, drawn at random; ``None`` takes all.
    key_added
        Name of the record.
    {rng_of_thread_count}

    Returns
    -------
    One row per representation, one column per figure, and ``n``, the number of cells. Recorded in

    ``adata.uns["depth_leakage"]`` : that data frame as ``overall``, the parameters, and with ``label_key`` the
    data frame ``per_type``, one row per representation and type

    Raises
    ------
    KeyError
        ``obs["log10_umi"]``, a representation or a column is missing.
    ValueError
        There are fewer than 50 usable cells, or not more than ``n_neighbors``; all of them, or
        those of each batch, have one depth; or no type has enough cells; ``key_added`` holds a
        ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_depth"] = adata.obs[["log10_umi"]].to_numpy()
    >>> ld.tl.depth_leakage(adata, "X_depth")["r2"].round(3)
    representation
    X_depth    1.0
    Name: r2, dtype: float64
    """
    keys = [use_rep] if isinstance(use_rep, str) else list(use_rep)
    if not keys:
        msg = "`use_rep` names no representation; give one key of adata.obsm, or several"
        raise ValueError(msg)
    whole("n_neighbors", n_neighbors, 1)
    whole("n_clusters", n_clusters, 3)
    whole("max_obs", FEWEST_CELLS if max_obs is None else max_obs, FEWEST_CELLS)
    latents = {key: representation(adata, key) for key in keys}
    depth = depths(adata, DepthKeys.log10_umi)
    label = None if label_key is None else labels(adata, label_key)
    batch = _batches(adata, batch_key)

    generator = np.random.default_rng(rng)
    cells = _choose_cells(adata, keys, max_obs, generator)
    _check_cells(depth[cells], batch[cells], n_neighbors)
    latents = {key: latent[cells] for key, latent in latents.items()}
    depth, batch = depth[cells], batch[cells]
    options = {"n_neighbors": n_neighbors, "seed": int(generator.integers(2**31))}
    record = {"overall": figures_overall(latents, depth, batch, n_clusters=n_clusters, **options)}
    if label is not None:
        pooled, record["per_type"] = figures_within_types(latents, depth, batch, label[cells], **options)
        record["overall"] = record["overall"].join(pooled)
    record["overall"]["n"] = len(cells)

    params = {
        "use_rep": keys,
        "label_key": label_key,
        "batch_key": batch_key,
        "n_neighbors": n_neighbors,
        "n_clusters": n_clusters,
        "max_obs": max_obs,
        **seed_record(rng),
    }
    writable(adata, copy=False).uns[LeakageKeys(key_added).uns] = {"params": storable(params), **record}
    return record["overall"].copy()


def _batches(adata: AnnData, batch_key: str | None) -> NDArray[np.integer]:
    if batch_key is None:
        return np.zeros(adata.n_obs, np.int64)
    check_complete(adata, batch_key)
    return labels(adata, batch_key).codes.astype(np.int64)


def _choose_cells(
    adata: AnnData, keys: list[str], max_obs: int | None, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw usable cells, in the order of their names: folds do not depend on the order of the file."""
    usable = np.all([finite_cells(adata, key, "they are left out") for key in keys], axis=0)
    by_name = np.argsort(adata.obs_names.to_numpy(str), kind="stable")
    cells = by_name[usable[by_name]]
    if max_obs is not None and len(cells) > max_obs:
        cells = cells[np.sort(generator.choice(len(cells), max_obs, replace=False))]
    return cells


def _check_cells(depth: NDArray[np.float64], batch: NDArray[np.integer], n_neighbors: int) -> None:
    if len(depth) < max(FEWEST_CELLS, n_neighbors + 1):
        msg = (
            f"there are {len(depth)} usable cells; depth leakage needs {FEWEST_CELLS}, "
            f"and more than `n_neighbors={n_neighbors}`"
        )
        raise ValueError(msg)
    if np.ptp(depth) == 0:
        msg = f"all cells have {10 ** depth[0] - 1:.0f} UMIs: nothing can tell their depths apart; pass raw cells"
        raise ValueError(msg)
    if np.allclose(centred(depth, batch), 0):
        msg = "within each batch all cells have the same depth: nothing can tell depths apart; leave out `batch_key`"
        raise ValueError(msg)
