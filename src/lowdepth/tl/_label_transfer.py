"""Labels for shallow cells, from the deep cells around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lowdepth._checks import representation, warn, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import TransferKeys, colors_key

from ._neighbor_vote import split_by_depth, vote

if TYPE_CHECKING:
    from anndata import AnnData


@shared_docs
def label_transfer(
    adata: AnnData,
    label_key: str,
    *,
    use_rep: str,
    low_umi: float = 1000,
    n_neighbors: int = 15,
    key_added: str = "label_transfer",
    copy: bool = False,
) -> AnnData | None:
    """Label shallow cells by the deep cells next to them.

    Each shallow cell gets the most frequent label of its nearest deep cells, whatever label
    it had before; deep cells keep their own. The confidence is the fraction of neighbours
    with that label: it is not a probability, and neighbours carry the deep cells' type
    frequencies, so that types which are rare among deep cells are seldom predicted.

    Parameters
    ----------
    {adata}
    {label_key}
        Labels of deep cells are used, those of shallow cells are not.
    {use_rep}
    {low_umi}
    n_neighbors
        Deep cells that vote; 15 is the tutorial's.
    key_added
        Name of the columns and the record.
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obs["label_transfer"]`` : categorical, missing where the representation is not finite
    ``adata.obs["label_transfer_confidence"]`` : vote fraction in [0, 1], 1 for deep cells
    ``adata.uns["label_transfer"]`` : the parameters
    ``adata.uns["label_transfer_colors"]`` : the label's colours, if it has some

    Raises
    ------
    KeyError
        ``obs["total_umi"]``, the label column or the representation is missing.
    ValueError
        There are no deep cells, no shallow cells, or fewer deep cells than neighbours.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> ld.tl.label_transfer(adata, "cell_type", use_rep="X_first_genes", low_umi=adata.obs["total_umi"].median())
    >>> adata.obs["label_transfer"].dtype == adata.obs["cell_type"].dtype
    True
    """
    latent = representation(adata, use_rep)
    finite = np.isfinite(latent).all(axis=1)
    if not finite.all():
        warn(f"{(~finite).sum()} cells have a {use_rep} that is not finite: they get no label and give none.")
    split = split_by_depth(adata, label_key, low_umi=low_umi, usable=finite)
    winner, fraction = vote(latent, split, n_neighbors=n_neighbors)
    shallow = split.total_umi < low_umi
    codes = np.where(shallow, -1, split.label.codes)
    codes[split.query] = winner
    confidence = np.where(codes < 0, np.nan, 1.0)
    confidence[split.query] = fraction

    adata = writable(adata, copy=copy)
    keys = TransferKeys(key_added)
    adata.obs[keys.obs] = pd.Categorical.from_codes(codes, dtype=split.label.dtype)
    adata.obs[keys.confidence] = confidence
    adata.uns[keys.uns] = {
        "params": {"label_key": label_key, "use_rep": use_rep, "low_umi": low_umi, "n_neighbors": n_neighbors}
    }
    if colors_key(label_key) in adata.uns:
        adata.uns[colors_key(keys.obs)] = adata.uns[colors_key(label_key)]
    return adata if copy else None
