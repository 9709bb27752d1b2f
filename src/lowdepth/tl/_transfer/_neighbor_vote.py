"""Deep cells vote on the labels of shallow ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._checks import depths, labels
from lowdepth._keys import DepthKeys
from lowdepth.tl._cells._neighbor_index import NeighborIndex

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DepthSplit:
    """Who votes (``reference``: deep cells with a label) and who is voted on (``query``: shallow cells)."""

    label: pd.Categorical[Any]
    total_umi: NDArray[np.float64]
    reference: NDArray[np.bool_]
    query: NDArray[np.bool_]


def split_by_depth(adata: AnnData, label_key: str, *, low_umi: float, usable: NDArray[np.bool_]) -> DepthSplit:
    """Split the usable cells at ``low_umi``."""
    total = depths(adata, DepthKeys.total_umi)
    label = labels(adata, label_key)
    deep = total >= low_umi
    split = DepthSplit(label, total, deep & usable & (label.codes >= 0), ~deep & usable)
    for kind, cells, relation in (("deep", split.reference, "at or above"), ("shallow", split.query, "below")):
        if not cells.any():
            msg = (
                f"no usable {kind} cell {relation} `low_umi={low_umi}`: depths run from "
                f"{total.min():.0f} to {total.max():.0f} UMIs; choose a cutoff between them"
            )
            raise ValueError(msg)
    return split


def vote(
    latent: NDArray[np.floating], split: DepthSplit, *, n_neighbors: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Give each query cell the most frequent label of its nearest reference cells, found exactly.

    Returns the codes of the predicted labels and their vote fractions, one for each query
    cell; a tie goes to the label that comes first among the categories.
    """
    codes = split.label.codes[split.reference]
    check_n_neighbors(n_neighbors, len(codes))
    index = NeighborIndex(latent[split.reference], exact=True)
    fractions = vote_fractions(
        index.nearest(latent[split.query], n_neighbors), codes, n_types=len(split.label.categories)
    )
    winner = fractions.argmax(axis=1)
    return winner, fractions[np.arange(len(winner)), winner]


def check_n_neighbors(n_neighbors: int, n_reference: int) -> None:
    """Raise unless so many can vote."""
    if not 1 <= n_neighbors <= n_reference:
        msg = f"`n_neighbors={n_neighbors}`: it has to lie between 1 and the {n_reference} deep cells with a label"
        raise ValueError(msg)


def vote_fractions(
    neighbors: NDArray[np.intp], codes: NDArray[np.integer], *, n_types: int, weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Count the votes of neighbours.

    Parameters
    ----------
    neighbors
        Places of the neighbours among those who can vote, cells by neighbours.
    codes
        Types of those who can vote.
    n_types
        Number of types.
    weight
        Votes of each; one by default.

    Returns
    -------
    Shares of the types, cells by types.

    Examples
    --------
    >>> vote_fractions(np.array([[0, 1], [1, 2]]), np.array([1, 0, 0]), n_types=2)
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    place = np.arange(len(neighbors))[:, np.newaxis] * n_types + codes[neighbors]
    votes = np.bincount(
        place.ravel(), None if weight is None else weight[neighbors].ravel(), minlength=len(neighbors) * n_types
    ).reshape(-1, n_types)
    return votes / votes.sum(axis=1, keepdims=True)
