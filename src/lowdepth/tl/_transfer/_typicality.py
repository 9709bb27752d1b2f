"""Whether cells lie where labelled cells of their depth would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._material import Material

N_NEAREST = 15
"""Reference cells whose mean distance counts, as many as vote in the method's tutorial."""

N_PEERS = 150
"""Held-out cells of about a cell's depth that it is compared with: p-values down to 1 / 151."""

CELLS_AT_A_TIME = 10_000


def typicality(material: Material) -> NDArray[np.float64]:
    """Give the share of held-out cells of a query cell's depth that lie as far from the reference cells.

    That is a p-value of "the cell is of a type that the reference has", where the held-out cells are new to the model;
    those that it was trained on lie closer together. The distance is the mean one in the embedding to the nearest
    reference cells, without a held-out cell's own.
    """
    n_nearest = min(N_NEAREST, len(material.codes) - 1)
    distance, _ = material.reference_index.search(material.query_latent, n_nearest)
    others, places = material.reference_index.search(material.held_out_latent, n_nearest + 1)
    others = np.where(places == material.rows[:, np.newaxis], np.inf, others)
    of_peers = np.sort(others, axis=1)[:, :n_nearest].mean(axis=1)
    return _share_above(
        distance.mean(axis=1), np.log(material.query.total_umi), of_peers, np.log(material.held_out.total_umi)
    )


def _share_above(
    value: NDArray[np.floating],
    depth: NDArray[np.float64],
    of_peers: NDArray[np.floating],
    depth_of_peers: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give the rank of each value among those of the peers next in depth, from above and in (0, 1]."""
    n_peers = min(N_PEERS, len(of_peers))
    order = np.argsort(depth_of_peers, kind="stable")
    windows = sliding_window_view(of_peers[order], n_peers)
    middle = np.searchsorted(depth_of_peers[order], depth)
    first = np.clip(middle - n_peers // 2, 0, len(windows) - 1)
    blocks = np.array_split(np.arange(len(value)), len(value) // CELLS_AT_A_TIME + 1)
    above = [(windows[first[block]] >= value[block, np.newaxis]).sum(axis=1) for block in blocks]
    return (np.concatenate(above) + 1) / (n_peers + 1)
