"""How far the embedding of a cell moves when it loses UMIs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from lowdepth._checks import check_own_columns, counts_in_memory, finite, numbers, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import StabilityKeys
from lowdepth._random import seed_record
from lowdepth._record import storable
from lowdepth.model._seed import seeded
from lowdepth.model._stand_in import registered_layer
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model
from lowdepth.tl._cells._thinned_embedding import embed, reliability, thinned_moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng

logger = logging.getLogger("lowdepth")

HALF = 0.5


@shared_docs
def thinning_stability(
    adata: AnnData,
    model: BaseModelClass,
    *,
    n: int = 20,
    depths: Sequence[float] = (30, 100, 300, 1000, 3000),
    max_paths: int | None = 1000,
    layer: str | None = None,
    key_added: str = "thinning_stability",
    progress_bar: bool = True,
    rng: Rng = 0,
    copy: bool = False,
) -> AnnData | None:
    """Thin cells again and again, and see how far their embedding moves: a reliability without labels.

    **Reliability.** Each cell is thinned ``n`` times to half of its UMIs. A thinned count y' of y, given y,
    varies by y / 4, and twice y' by y, as a Poisson count does: the spread s of the thinned embeddings
    stands for what sequencing the cell again at its own depth would do to it, on the scale of half
    the depth. On that scale too, the means of the cells' embeddings vary by the signal, by that same
    noise once more and by its n-th part:

        signal = variance of the means - mean of s² * (1 + 1 / n),   reliability_i = signal / (signal + s_i²),

    summed over the dimensions, among at least 200 cells of about one depth where there are so many
    (up to eight bins), and without what still goes along with depth among them. That is the
    reliability of test theory: 1 for a cell whose embedding does not depend on which of its UMIs
    were caught, 0 where the embedding says no more than the depth does. An encoder that shrinks
    all shallow cells to one point shrinks signal and noise alike, and gains nothing by it.

    Reliable means repeatable, not right: an embedding may put a cell in the same wrong place each time.
    For the certainty of a type, see :func:`lowdepth.tl.label_transfer`.

    **Paths.** A sample of the cells is thinned to each of ``depths`` below its own, ``n`` times; the mean
    of its embeddings at each depth is its path, their spread is the path's width. A path that
    stays with its kind is what one hopes for; see :func:`lowdepth.pl.thinning_paths`.

    Counts in a dask array are refused: each of the cells is read ``2 n`` times and more. Load a sample.

    Parameters
    ----------
    {adata}
    {model}
    n
        Thinned copies of each cell, and of each depth; the standard error of s² is about
        sqrt(2 / (n - 1)) of it for an embedding that varies in one dimension, less in more of them.
    depths
        UMIs to thin to on a path; an empty sequence leaves the paths out.
    max_paths
        Cells whose path is followed, drawn from those above the lowest depth; ``None`` takes all.
    {model_layer}
    key_added
        Name of all slots.
    progress_bar
        Show the progress: one step embeds all cells, or those on a path, once.
    {rng_of_thread_count}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obs["thinning_stability"]`` : reliability, in [0, 1]
    ``adata.obs["thinning_stability_noise"]`` : s, the spread at half depth, in units of the embedding
    ``adata.obsm["thinning_stability_path"]`` : ``n_obs`` by ``1 + n_depths`` by ``n_latent``, float32: first the
    embedding of the cell itself, then its mean at each depth, from the highest down
    ``adata.obsm["thinning_stability_spread"]`` : ``n_obs`` by ``n_depths``, float32: the spread at each depth
    ``adata.uns["thinning_stability"]`` : the parameters; ``depths`` are in the order of the paths

    The means and spreads of a path are NaN at depths that a cell does not reach, and in cells not followed.

    Raises
    ------
    {model_errors}
    ValueError
        ``n`` is below 2 or a depth not above 0; there are fewer than 2 cells; the model has not
        been trained, or on other genes or batches; the counts are not raw, or a cell has none;
        ``key_added`` holds a ``/`` or names a column of ``obs`` that this function did not write.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.thinning_stability(adata, model, n=3, depths=[100, 30], progress_bar=False)
    >>> adata.obsm["thinning_stability_path"].shape
    (200, 3, 8)
    >>> bool(adata.obs["thinning_stability"].between(0, 1).all())
    True
    """
    keys = StabilityKeys(key_added)
    check_own_columns(adata, keys.obs, keys.noise, entry="n", function="ld.tl.thinning_stability")
    whole("n", n, 2)
    whole("max_paths", 1 if max_paths is None else max_paths, 0)
    path_depths = _descending(depths)
    check_model(model)
    counts_in_memory(adata, layer or registered_layer(model), "ld.tl.thinning_stability")
    all_cells = ModelCells.of(adata, model, layer)
    if adata.n_obs < 2:
        msg = f"there is {adata.n_obs} cell: its noise is compared with the variance among many"
        raise ValueError(msg)
    # cells are drawn and thinned in the order of their names: that of the file does not matter
    by_name = np.argsort(adata.obs_names.to_numpy(str), kind="stable")
    cells = all_cells.take(by_name)
    total_umi = cells.total_umi
    generator = np.random.default_rng(rng)
    followed = _followed(total_umi, path_depths, max_paths, generator)
    steps = [np.intersect1d(followed, np.flatnonzero(total_umi > depth)) for depth in path_depths]

    n_steps = n * (1 + sum(len(rows) > 0 for rows in steps))
    with seeded(0), tqdm(total=n_steps, desc="thinning", disable=not progress_bar) as progress:
        options = {"n": n, "generator": generator, "progress": progress}
        latent = embed(cells, model)
        mean, noise = thinned_moments(cells, np.full(adata.n_obs, HALF), model, **options)
        reliable = reliability(mean, noise, total_umi, n)
        path = np.full((adata.n_obs, 1 + len(path_depths), latent.shape[1]), np.nan, np.float32)
        spread = np.full((adata.n_obs, len(path_depths)), np.nan, np.float32)
        path[:, 0] = latent
        for place, (depth, rows) in enumerate(zip(path_depths, steps, strict=True)):
            if len(rows):
                mean, variance = thinned_moments(cells.take(rows), depth / total_umi[rows], model, **options)
                path[rows, place + 1], spread[rows, place] = mean, np.sqrt(variance)

    adata = writable(adata, copy=copy)
    place_of = np.argsort(by_name)
    adata.obs[keys.obs] = reliable[place_of]
    adata.obs[keys.noise] = np.sqrt(noise)[place_of]
    adata.obsm[keys.path], adata.obsm[keys.spread] = path[place_of], spread[place_of]
    params = {"n": n, "depths": path_depths, "max_paths": max_paths, "layer": layer, **seed_record(rng)}
    adata.uns[keys.uns] = {"params": storable(params)}
    logger.info(
        "added\n    .obs[%r]\n    .obs[%r]\n    .obsm[%r]\n    .obsm[%r]", keys.obs, keys.noise, keys.path, keys.spread
    )
    return adata if copy else None


def _descending(depths: Sequence[float]) -> NDArray[np.float64]:
    """Check the depths of the paths and give them from the highest down."""
    values = np.unique(numbers(depths, "`depths`"))[::-1]
    for value in values:
        finite("depths", value)
        if value <= 0:
            msg = f"`depths` holds {value}: depths are above zero, e.g. `depths=(1000, 300, 100)`"
            raise ValueError(msg)
    return values


def _followed(
    total_umi: NDArray[np.float64],
    path_depths: NDArray[np.float64],
    max_paths: int | None,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the cells whose path is followed."""
    if not len(path_depths):
        return np.empty(0, np.int64)
    candidates = np.flatnonzero(total_umi > path_depths[-1])
    if max_paths is None or len(candidates) <= max_paths:
        return candidates
    return np.sort(generator.choice(candidates, max_paths, replace=False))
