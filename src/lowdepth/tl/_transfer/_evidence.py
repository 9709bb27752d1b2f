"""What a method says of cells before calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._neighbor_vote import vote_fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Evidence(NamedTuple):
    """Log probabilities of the types under the reference's frequencies, cells by types, and the cells' depths."""

    log_probability: NDArray[np.float64]
    total_umi: NDArray[np.float64]

    def take(self, cells: NDArray[np.bool_]) -> Evidence:
        """Give that of some cells."""
        return Evidence(self.log_probability[cells], self.total_umi[cells])


class HeldOut(NamedTuple):
    """Thinned reference cells: which they are, and what the other reference cells say of them."""

    rows: NDArray[np.int64]
    evidence: Evidence


def log_votes(
    neighbors: NDArray[np.intp],
    codes: NDArray[np.int64],
    weight: NDArray[np.float64],
    frequencies: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Turn votes into log probabilities; one vote more is shared out by the types' frequencies.

    Parameters
    ----------
    neighbors
        Places of the neighbours among those who can vote, cells by neighbours.
    codes
        Types of those who can vote.
    weight
        Their votes.
    frequencies
        Of the types in the reference.
    """
    n_votes = weight[neighbors].sum(axis=1, keepdims=True)
    votes = n_votes * vote_fractions(neighbors, codes, n_types=len(frequencies), weight=weight)
    with np.errstate(divide="ignore"):
        return np.log((votes + frequencies) / (n_votes + 1))


def without_own(neighbors: NDArray[np.intp], is_own: NDArray[np.bool_], n_neighbors: int) -> NDArray[np.intp]:
    """Keep the first neighbours of each cell that are not the cell itself.

    >>> without_own(np.array([[7, 1, 2], [3, 4, 5]]), np.array([[True, False, False], [False] * 3]), 2)
    array([[1, 2],
           [3, 4]])
    """
    others_first = np.argsort(is_own, axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(neighbors, others_first, axis=1)
