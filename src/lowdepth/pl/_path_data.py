"""Which paths to draw, and where their stops lie in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from lowdepth._checks import depths, representation, step_record, whole
from lowdepth._keys import DepthKeys, StabilityKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

N_NEIGHBORS = 15


class Paths(NamedTuple):
    """Depths of the stops, highest first, and the embeddings: of the cell itself, then at each stop, NaN where none."""

    depths: NDArray[np.float64]
    latent: NDArray[np.floating]

    @property
    def followed(self) -> NDArray[np.bool_]:
        """Whether a cell has any stop."""
        return np.isfinite(self.latent[:, 1:]).any(axis=(1, 2))


def read_paths(adata: AnnData, key: str) -> Paths:
    """Get what :func:`lowdepth.tl.thinning_stability` wrote."""
    keys = StabilityKeys(key)
    step = "ld.tl.thinning_stability(adata, model)"
    record = step_record(adata, keys.uns, "params", step=step)
    if keys.path not in adata.obsm or "depths" not in record["params"]:
        msg = f"adata.obsm[{keys.path!r}] is missing; run `{step}` first"
        raise KeyError(msg)
    return Paths(np.asarray(record["params"]["depths"]), np.asarray(adata.obsm[keys.path]))


def choose_cells(
    adata: AnnData, paths: Paths, positions: NDArray[np.floating], cells: int | Sequence[str]
) -> NDArray[np.int64]:
    """Find the cells that were named, or take the deepest cell of each of so many neighbourhoods."""
    drawable = np.flatnonzero(paths.followed & np.isfinite(positions).all(axis=1))
    if isinstance(cells, int):
        whole("cells", cells, 1)
        if not len(drawable):
            msg = "no path was followed; run `ld.tl.thinning_stability` with `depths` that cells exceed"
            raise ValueError(msg)
        own = paths.latent[drawable, 0]
        n_clusters = min(cells, len(np.unique(own, axis=0)))
        cluster = KMeans(n_clusters, n_init=1, random_state=0).fit_predict(own)
        deepest_first = drawable[np.argsort(-depths(adata, DepthKeys.total_umi)[drawable], kind="stable")]
        place = pd.Series(cluster, index=drawable)[deepest_first]
        return place.drop_duplicates().index.to_numpy()
    if not adata.obs_names.is_unique:
        msg = "names of cells are not unique, `cells` cannot tell them apart; run `adata.obs_names_make_unique()`"
        raise ValueError(msg)
    chosen = adata.obs_names.get_indexer(list(cells))
    for name, cell in zip(cells, chosen, strict=True):
        if cell < 0:
            msg = f"there is no cell {name!r} in adata.obs_names"
            raise KeyError(msg)
        if cell not in drawable:
            msg = (
                f"cell {name!r} has no path here: it is not deeper than {paths.depths.min(initial=np.inf):g} UMIs, "
                "was not drawn (run `ld.tl.thinning_stability` with `max_paths=None`), or has no position"
            )
            raise ValueError(msg)
    return chosen.astype(np.int64)


def thinning_paths_data(adata: AnnData, basis: str, key: str, cells: int | Sequence[str]) -> pd.DataFrame:
    """Give one row per stop, in the order of the way: the cell, its UMIs there, and the position."""
    paths = read_paths(adata, key)
    positions = representation(adata, basis)
    chosen = choose_cells(adata, paths, positions, cells)
    total_umi = depths(adata, DepthKeys.total_umi)
    ways = []
    for cell in chosen:
        stops = np.flatnonzero(np.isfinite(paths.latent[cell, 1:]).all(axis=1))
        placed = _place(paths.latent[cell, 1:][stops], paths.latent[:, 0], positions)
        x, y = np.vstack([positions[cell], placed]).T
        umi = np.append(total_umi[cell], paths.depths[stops])
        ways.append(pd.DataFrame({"cell": adata.obs_names[cell], "umi": umi, "x": x, "y": y}))
    return pd.concat(ways, ignore_index=True)


def _place(
    stops: NDArray[np.floating], latent: NDArray[np.floating], positions: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Give the stops' positions: as they are in the embedding itself, else those of the nearest cells."""
    placed = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if latent.shape == positions.shape and np.allclose(latent[placed], positions[placed], rtol=1e-3, atol=1e-5):
        return stops
    nearest = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(placed))).fit(latent[placed])
    return np.median(positions[placed[nearest.kneighbors(stops, return_distance=False)]], axis=1)
