"""The tutorial's score: how many shallow cells get their own label back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lowdepth._checks import labels, representation, warn, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import ScoreKeys

from ._neighbor_vote import split_by_depth, vote
from ._recovery import overall_recovery, recovery_per_depth, recovery_per_type
from ._score_result import LabelTransferScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from lowdepth._random import Rng


@shared_docs
def label_transfer_score(
    adata: AnnData,
    label_key: str,
    *,
    use_rep: str | Sequence[str],
    low_umi: float = 1000,
    n_neighbors: int = 15,
    n_bootstrap: int = 1000,
    key_added: str = "label_transfer_score",
    rng: Rng = 0,
) -> LabelTransferScore:
    """Score representations by how well labels of shallow cells are recovered from deep ones.

    The score of the method's tutorial (Svensson 2026, doi:10.64898/2026.02.11.705441): a
    15-nearest-neighbour classifier, fitted on the deep cells, predicts the shallow ones. All
    representations are scored on the same cells, those that are finite in each of them and
    have a label. Scores on thinned cells are upper bounds of what happens on real shallow
    droplets, which also hold ambient RNA and come from damaged cells.

    Parameters
    ----------
    {adata}
    {label_key}
        Shallow cells need their true label here.
    use_rep
        Key in ``obsm``, or several to compare.
    {low_umi}
    n_neighbors
        Deep cells that vote.
    n_bootstrap
        Resamplings of the shallow cells for the 95 % intervals; 0 leaves the intervals out.
        They hold for these cells and this embedding: training again varies more.
    key_added
        Name of the record.
    {rng}

    Returns
    -------
    The scores, also recorded in ``adata.uns["label_transfer_score"]``: data frames
    ``overall`` (accuracy, and balanced accuracy: the mean recall of the types),
    ``per_type`` (recall, precision, number of cells) and ``per_depth`` (half decades of
    UMIs below the cutoff), and the parameters.

    Raises
    ------
    KeyError
        ``obs["total_umi"]``, the label column or a representation is missing.
    ValueError
        There are no deep cells, no shallow cells, or fewer deep cells than neighbours.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> score = ld.tl.label_transfer_score(
    ...     adata, "cell_type", use_rep="X_first_genes", low_umi=adata.obs["total_umi"].median()
    ... )
    >>> score.to_frame()[["n_query", "n_reference"]]
                     n_query  n_reference
    representation
    X_first_genes        ...          ...
    """
    keys = [use_rep] if isinstance(use_rep, str) else list(use_rep)
    if not keys:
        msg = "`use_rep` names no representation; give one key of adata.obsm, or several"
        raise ValueError(msg)
    latents = {key: representation(adata, key) for key in keys}
    has_label = labels(adata, label_key).codes >= 0
    usable = np.all([has_label, *(np.isfinite(latent).all(axis=1) for latent in latents.values())], axis=0)
    split = split_by_depth(adata, label_key, low_umi=low_umi, usable=usable)
    names = split.label.categories.astype(str).to_numpy()
    truth, total = split.label.codes[split.query], split.total_umi[split.query]
    unseen = np.setdiff1d(truth, split.label.codes[split.reference])
    if len(unseen):
        warn(f"No deep cell is labelled {', '.join(names[unseen])}: its shallow cells count as missed.")
    bootstrap: dict[str, Any] = {"n_bootstrap": n_bootstrap, "generator": np.random.default_rng(rng)}
    overall, per_type, per_depth = {}, {}, {}
    for key, latent in latents.items():
        predicted, _ = vote(latent, split, n_neighbors=n_neighbors)
        overall[key] = overall_recovery(truth, predicted, **bootstrap)
        per_type[key] = recovery_per_type(truth, predicted, names, **bootstrap)
        per_depth[key] = recovery_per_depth(truth, predicted, total, low_umi=low_umi, **bootstrap)
    score = LabelTransferScore(
        params={"label_key": label_key, "use_rep": keys, "low_umi": low_umi, "n_neighbors": n_neighbors},
        overall=pd.DataFrame.from_dict(overall, orient="index")
        .assign(n_query=len(truth), n_reference=int(split.reference.sum()))
        .rename_axis("representation"),
        per_type=_stack(per_type),
        per_depth=_stack(per_depth),
    )
    writable(adata, copy=False).uns[ScoreKeys(key_added).uns] = score.to_uns()
    return score


def _stack(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    stacked = pd.concat(tables, names=["representation"]).reset_index(level="representation")
    # anndata writes categories for every version of pandas, plain strings not
    return stacked.astype({"representation": pd.CategoricalDtype(list(tables))}).reset_index(drop=True)
