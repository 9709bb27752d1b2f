"""Labels from the nearest reference cells, calibrated like those of the other methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._evidence import Evidence, HeldOut, log_votes, without_own

if TYPE_CHECKING:
    from ._material import Material


def nearest_labels(material: Material, *, n_neighbors: int) -> tuple[HeldOut, Evidence]:
    """Let the nearest reference cells vote, all of them at their full depth."""
    ballot = material.codes, np.ones(len(material.codes)), material.frequencies
    near = material.reference_index.nearest(material.query_latent, n_neighbors)
    others = material.reference_index.nearest(material.held_out_latent, min(n_neighbors + 1, len(material.codes)))
    others = without_own(others, others == material.rows[:, np.newaxis], n_neighbors)
    return (
        HeldOut(material.rows, Evidence(log_votes(others, *ballot), material.held_out.total_umi)),
        Evidence(log_votes(near, *ballot), material.query.total_umi),
    )
