"""The figures of depth leakage, representation by representation and type by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from ._depth_in_latent import centred, cluster_variance, held_out_prediction, knn_mixing

if TYPE_CHECKING:
    from numpy.typing import NDArray

type Latents = dict[str, NDArray[Any]]


def figures_overall(
    latents: Latents,
    depth: NDArray[np.float64],
    batch: NDArray[np.integer],
    *,
    n_neighbors: int,
    n_clusters: int,
    seed: int,
) -> pd.DataFrame:
    """Give one row per representation."""
    depth = centred(depth, batch)
    figures = {
        key: {
            "r2": r2_score(depth, held_out_prediction(latent, depth, batch, seed)),
            "knn_mixing": knn_mixing(latent, depth, n_neighbors),
            "cluster_variance": cluster_variance(latent, depth, n_clusters, seed),
        }
        for key, latent in latents.items()
    }
    return pd.DataFrame.from_dict(figures, orient="index").rename_axis("representation")


def figures_within_types(
    latents: Latents,
    depth: NDArray[np.float64],
    batch: NDArray[np.integer],
    label: pd.Categorical[Any],
    *,
    n_neighbors: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give one row per representation, and one per representation and type.

    One regression serves all types: it predicts how far a cell's depth is from the mean of its type.
    """
    size = np.bincount(label.codes[label.codes >= 0], minlength=len(label.categories))
    if not (size > n_neighbors).any():
        msg = f"no type has more than `n_neighbors={n_neighbors}` cells; lower it, or pass coarser labels"
        raise ValueError(msg)
    kept = (label.codes >= 0) & (size > n_neighbors)[label.codes]
    codes = label.codes[kept].astype(np.int64)
    group = np.unique(codes * (batch.max() + 1) + batch[kept], return_inverse=True)[1]
    depth = centred(depth[kept], group)
    pooled, rows = {}, []
    for key, latent in ((key, latent[kept]) for key, latent in latents.items()):
        predicted = held_out_prediction(latent, depth, group, seed)
        types = [
            {
                "representation": key,
                "label": str(label.categories[code]),
                "r2": r2_score(depth[cells], predicted[cells]),
                "knn_mixing": knn_mixing(latent[cells], depth[cells], n_neighbors),
                "n": int(cells.sum()),
            }
            for code, cells in ((code, codes == code) for code in np.unique(codes))
        ]
        mixing, n = zip(*((row["knn_mixing"], row["n"]) for row in types), strict=True)
        pooled[key] = {
            "r2_within_type": r2_score(depth, predicted),
            "knn_mixing_within_type": float(np.average(mixing, weights=n)),
        }
        rows += types
    # anndata writes categories for every version of pandas, plain strings not
    per_type = pd.DataFrame(rows).astype({"representation": pd.CategoricalDtype(list(latents)), "label": "category"})
    return pd.DataFrame.from_dict(pooled, orient="index"), per_type
