"""What the methods with a model work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lowdepth.tl._cells._depth_bins import depth_edges
from lowdepth.tl._cells._neighbor_index import NeighborIndex
from lowdepth.tl._refinement._references import choose_references

from ._unseen_cells import to_calibrate_on

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._model_cells import ModelCells
    from lowdepth.tl._refinement._references import References

MOST_HELD_OUT = 5000
"""Thinned reference cells to calibrate on: an eighth of them tells an accuracy of 0.8 to 1.6 points."""

MOST_COPIES = 5
"""Of each held-out cell, where there are few: more would add depths, but no cells."""


class Material(NamedTuple):
    """Cells and where the encoder puts them; ``reference_index`` finds reference cells by their place.

    ``held_out`` are thinned reference cells, ``rows`` says which. ``references`` are those that stand for all
    reference cells, and ``seed`` that of their choice. ``codes`` are the types of the reference cells,
    ``frequencies`` their shares, and ``edges`` the lowest depths of the bins of the query.
    """

    query: ModelCells
    query_latent: NDArray[np.floating]
    reference: ModelCells
    reference_index: NeighborIndex
    held_out: ModelCells
    held_out_latent: NDArray[np.floating]
    rows: NDArray[np.int64]
    references: References
    seed: int
    codes: NDArray[np.int64]
    frequencies: NDArray[np.float64]
    edges: NDArray[np.float64]


def gather(
    query: ModelCells,
    reference: ModelCells,
    model: BaseModelClass,
    *,
    codes: NDArray[np.int64],
    n_types: int,
    n_references: int,
    seed: int,
) -> Material:
    """Embed the cells, choose references, and thin reference cells to depths of query cells.

    Parameters
    ----------
    query, reference
        Cells without and with labels.
    model
        Embeds them.
    codes
        Types of the reference cells.
    n_types
        Number of types, also those that no reference cell has.
    n_references
        Cells that are to stand for all reference cells.
    seed
        Of the choice and the thinning.
    """
    generator = np.random.default_rng(seed)
    rows = generator.permutation(to_calibrate_on(reference.obs.index, model))[:MOST_HELD_OUT]
    rows = np.tile(rows, int(np.clip(MOST_HELD_OUT // len(rows), 1, MOST_COPIES)))
    held_out, rows = reference.thinned(rows, generator.choice(query.total_umi, len(rows)), generator)
    reference_latent = reference.embedded(model)
    return Material(
        query,
        query.embedded(model),
        reference,
        NeighborIndex(reference_latent),
        held_out,
        held_out.embedded(model),
        rows,
        choose_references(reference_latent, n_references, seed),
        seed,
        codes,
        np.bincount(codes, minlength=n_types) / len(codes),
        depth_edges(query.total_umi),
    )
