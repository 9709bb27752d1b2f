"""Labels from reference cells that were made as shallow as the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth.tl._cells._depth_bins import bin_of
from lowdepth.tl._cells._neighbor_index import NeighborIndex

from ._evidence import Evidence, HeldOut, log_votes, without_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from scvi.model.base import BaseModelClass

    from ._material import Material

COPIES_PER_BIN = 20_000
"""Thinned and embedded for a bin of depths, one for each reference where these are more."""

MOST_COPIES = 5
"""Of each reference in a bin: further copies of one cell say little more."""


def depth_matched(
    material: Material,
    model: BaseModelClass,
    *,
    n_neighbors: int,
    generator: np.random.Generator,
    progress: Callable[[int], object],
) -> tuple[HeldOut, Evidence]:
    """Let thinned copies of the references vote, bin by bin of depth.

    Each reference is thinned to depths of the bin's query cells and embedded by the same encoder, so that the
    noise is the same on both sides. Copies vote for the type of their cell, ``n_neighbors`` times as many as there
    are copies of a cell. Held-out cells are judged by the copies of other cells. ``progress`` is told how many
    query cells a bin had.
    """
    references = material.references
    n_references = len(references.cells)
    n_copies = int(np.clip(COPIES_PER_BIN // n_references, 1, MOST_COPIES))
    n_votes = min(n_neighbors, n_references - 1) * n_copies
    umis, rows = material.query.total_umi, material.rows
    bins, judged_bins = bin_of(umis, material.edges), bin_of(material.held_out.total_umi, material.edges)
    log_probability = np.empty((len(umis), len(material.frequencies)))
    of_held_out = np.empty((len(rows), len(material.frequencies)))
    for depth_bin in range(len(material.edges)):
        own = np.flatnonzero(bins == depth_bin)
        voters = np.tile(references.cells, n_copies)
        depth = generator.choice(umis[own], len(voters))
        copies, voters = material.reference.thinned(voters, depth, generator)
        weight = references.weight[np.searchsorted(references.cells, voters)]
        ballot = material.codes[voters], weight, material.frequencies
        index = NeighborIndex(copies.embedded(model))
        log_probability[own] = log_votes(index.nearest(material.query_latent[own], n_votes), *ballot)

        judged = np.flatnonzero(judged_bins == depth_bin)
        if len(judged):
            near = index.nearest(material.held_out_latent[judged], min(n_votes + n_copies, len(voters)))
            near = without_own(near, voters[near] == rows[judged, np.newaxis], n_votes)
            of_held_out[judged] = log_votes(near, *ballot)
        progress(len(own))
    return HeldOut(rows, Evidence(of_held_out, material.held_out.total_umi)), Evidence(log_probability, umis)
