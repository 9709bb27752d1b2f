"""Plain votes in a representation that the user has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth._checks import depths, finite_cells, representation
from lowdepth._keys import DepthKeys
from lowdepth.tl._cells._neighbor_index import NeighborIndex

from ._neighbor_vote import check_n_neighbors, vote_fractions
from ._transfer_cells import Transferred, choose_cells

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._transfer_cells import Reference


def transfer_by_votes(
    adata: AnnData, label_key: str, use_rep: str, *, reference: Reference, low_umi: float, n_neighbors: int
) -> Transferred:
    """Give each query cell the shares of the types among its nearest reference cells.

    Parameters
    ----------
    adata
        Holds the query cells.
    label_key
        Column of the labels.
    use_rep
        Key in ``obsm`` of the representation.
    reference
        Who votes; ``None`` takes cells of ``low_umi`` UMIs or more.
    low_umi
        UMIs of the shallowest deep cell.
    n_neighbors
        Number of votes.
    """

    def usable(cells: AnnData) -> NDArray[np.bool_]:
        return finite_cells(cells, use_rep, "they get no label and give none")

    cells = choose_cells(
        adata,
        label_key,
        reference,
        low_umi=low_umi,
        total_umi=lambda: depths(adata, DepthKeys.total_umi),
        usable=usable,
    )
    check_n_neighbors(n_neighbors, len(cells.codes))
    own, theirs = representation(adata, use_rep), representation(cells.source, use_rep)
    if own.shape[1] != theirs.shape[1]:
        msg = (
            f"obsm[{use_rep!r}] has {own.shape[1]} columns in adata and {theirs.shape[1]} in `reference`: "
            "they have to be one embedding, of one model"
        )
        raise ValueError(msg)
    neighbors = NeighborIndex(theirs[cells.reference]).nearest(own[cells.query], n_neighbors)
    return Transferred(cells, vote_fractions(neighbors, cells.codes, n_types=len(cells.dtype.categories)), None, {})
