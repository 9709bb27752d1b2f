"""The nearest reference cells of many cells: exact among few, quick among many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO = 50_000
"""Reference cells that are all looked at; 200,000 cells against 20,000 take ten to thirty seconds on two cores."""

NEIGHBORS_IN_GRAPH = 30
"""Of pynndescent's graph; with ``EPSILON`` it finds more than 95 % of the nearest neighbours, which a test holds."""

EPSILON = 0.1
"""How far pynndescent looks beyond the nearest cell found so far, relative to its distance."""


class NeighborIndex:
    """Points to be searched, as often as needed.

    Parameters
    ----------
    points
        Points by dimensions, finite.
    seed
        Of the approximate search.
    exact
        Search all points, however many there are.
    """

    def __init__(self, points: NDArray[np.floating], *, seed: int = 0, exact: bool = False) -> None:
        self._index: Any
        self.is_exact = exact or len(points) <= EXACT_UP_TO
        if self.is_exact:
            self._index = NearestNeighbors().fit(points)
            return
        from pynndescent import NNDescent  # noqa: PLC0415  takes seconds to import, and few data sets need it

        self._index = NNDescent(np.asarray(points, np.float32), n_neighbors=NEIGHBORS_IN_GRAPH, random_state=seed)

    def nearest(self, queries: NDArray[np.floating], n_neighbors: int) -> NDArray[np.intp]:
        """Give the places of the nearest points among the points, queries by neighbours, nearest first.

        >>> NeighborIndex(np.array([[0.0], [5.0], [6.0]])).nearest(np.array([[4.0]]), 2)
        array([[1, 2]])
        """
        return self.search(queries, n_neighbors)[1]

    def search(self, queries: NDArray[np.floating], n_neighbors: int) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
        """Give the distances too, before the places."""
        if self.is_exact:
            return self._index.kneighbors(queries, n_neighbors)
        places, distances = self._index.query(np.asarray(queries, np.float32), n_neighbors, epsilon=EPSILON)
        return distances, places.astype(np.intp)
