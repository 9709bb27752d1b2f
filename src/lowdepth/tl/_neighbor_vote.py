"""Deep cells vote on the labels of shallow ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from lowdepth._checks import depths, labels
from lowdepth._keys import DepthKeys

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
    """Give each query cell the most frequent label of its nearest reference cells.

    Returns the codes of the predicted labels and their vote fractions, one for each query
    cell; a tie goes to the label that comes first among the categories.
    """
    n_reference = int(split.reference.sum())
    if not 1 <= n_neighbors <= n_reference:
        msg = f"`n_neighbors={n_neighbors}`: it has to lie between 1 and the {n_reference} deep cells with a label"
        raise ValueError(msg)
    classifier = KNeighborsClassifier(n_neighbors).fit(latent[split.reference], split.label.codes[split.reference])
    fractions = classifier.predict_proba(latent[split.query])
    winner = fractions.argmax(axis=1)
    return classifier.classes_[winner], fractions[np.arange(len(winner)), winner]
