"""A reference speaks together with its nearest neighbours, whose profiles do not share its noise."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

NEVER = -1e9
"""Score that leaves a reference without weight, and its gradient without infinities."""


class Neighborhoods:
    """What references say together with their nearest neighbours.

    A network has seen each deep cell many times, and decodes some of that cell's own noise with it. The mean of
    the log-likelihoods of a cell under a reference and under its neighbours is the cell's likelihood under the
    geometric mean of their profiles, which has less of it.

    Parameters
    ----------
    latent
        References by dimensions.
    n_neighbors
        That speak with a reference, if there are so many.

    Examples
    --------
    >>> neighborhoods = Neighborhoods(torch.tensor([[0.0], [1.0], [1.5], [9.0]]), 2)
    >>> neighborhoods.mean(torch.tensor([[3.0, 0.0, 6.0, 9.0]]))
    tensor([[3., 3., 3., 5.]])
    """

    def __init__(self, latent: torch.Tensor, n_neighbors: int) -> None:
        n_neighbors = min(n_neighbors, len(latent) - 1)
        nearest = np.empty((len(latent), 0), np.int64)
        if n_neighbors:
            nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(latent.numpy()).kneighbors(return_distance=False)
        self._nearest = torch.from_numpy(nearest)

    def mean(self, scores: torch.Tensor) -> torch.Tensor:
        """Average the log-likelihoods, cells by references, over each reference and its neighbours."""
        total = scores.clone()
        for nearest in self._nearest.t():
            total += scores.index_select(1, nearest)
        return total.div_(1 + self._nearest.shape[1])

    def mean_of_others(self, scores: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """Average where no reference speaks for the very cell that it is: its neighbours do instead.

        Parameters
        ----------
        scores
            Log-likelihoods, cells by references; the cells' own are written over.
        own
            Whether a reference is the cell, cells by references, at most one of each cell's.
        """
        cells, references = own.nonzero(as_tuple=True)
        scores[own] = scores[cells[:, None], self._nearest[references]].mean(1)
        return self.mean(scores).masked_fill_(own, NEVER)
