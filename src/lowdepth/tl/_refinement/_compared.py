"""Shallow cells compared with deep ones, wherever both are: what their counts say, and the record of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._record import storable

from ._reference_profiles import covariate_groups
from ._references import choose_references
from ._refinement import refine
from ._residuals import pool

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._model_cells import ModelCells

    from ._references import References
    from ._refinement import Refinement

MOST_REFERENCES = 5000
"""Taken when the user names no number: their profiles of 30,000 genes fill 600 MB."""

N_NEIGHBORS = 2
"""That speak with each reference: few, so that a state of three cells is still heard (docs/ablation.md)."""


@dataclass(frozen=True)
class RefinementSettings:
    """How shallow cells are compared with deep ones; :func:`lowdepth.tl.refine_low_umi` says what each does."""

    n_references: int = MOST_REFERENCES
    temperature: float = 1.0
    n_neighbors: int = N_NEIGHBORS
    residuals: bool = True
    likelihood: str = "multinomial"


def compared(
    cells: ModelCells,
    model: BaseModelClass,
    latent: NDArray[np.floating],
    deep: NDArray[np.int64],
    shallow: NDArray[np.int64],
    *,
    settings: RefinementSettings,
    seed: int,
    progress_bar: bool,
    store_weights: bool = False,
) -> tuple[References, Refinement]:
    """Choose references among deep cells by their embedding ``latent``, and compare shallow ones with them."""
    _check_finite(latent, "the encoder of `model` embeds deep cells")
    references = choose_references(latent, settings.n_references, seed)
    pools = pool(cells, model, deep[references.cells], references.latent, seed) if settings.residuals else None
    with cells.registered(model) as manager:
        groups = covariate_groups(manager, shallow)
    refined = refine(
        model.module,
        groups,
        cells.portions(shallow),
        cells.total_umi[shallow],
        references,
        residuals=None if pools is None else pools.residuals(),
        likelihood=settings.likelihood,
        temperature=settings.temperature,
        n_neighbors=settings.n_neighbors,
        store_weights=store_weights,
        progress_bar=progress_bar,
    )
    _check_finite(refined.latent, "the decoder of `model` moves shallow cells")
    return references, refined


def refinement_record(settings: RefinementSettings, references: References, **params: Any) -> dict[str, Any]:
    """Give what is kept in ``uns``: the settings, other parameters, and how many references there were."""
    return {"params": storable({**params, **asdict(settings), "n_references": len(references.cells)})}


def scattered(values: NDArray[np.float32], cells: NDArray[np.int64], n_obs: int) -> NDArray[np.float64]:
    """Give the values of some cells in a column for all, NaN in the others."""
    column = np.full(n_obs, np.nan)
    column[cells] = values
    return column


def _check_finite(latent: NDArray[np.floating], where: str) -> None:
    n_bad = int((~np.isfinite(latent)).any(axis=1).sum())
    if n_bad:
        msg = f"{where} at values that are not finite ({n_bad} cells); train it again, with a smaller `lr`"
        raise ValueError(msg)
