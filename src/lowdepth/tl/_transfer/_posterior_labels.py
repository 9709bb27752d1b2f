"""Labels from the references whose decoded profiles explain the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import nll_loss, one_hot

from lowdepth.model.engine import take_rows
from lowdepth.tl._refinement._compared import N_NEIGHBORS
from lowdepth.tl._refinement._neighborhoods import Neighborhoods
from lowdepth.tl._refinement._reference_profiles import blocks, covariate_groups
from lowdepth.tl._refinement._residuals import pool
from lowdepth.tl._refinement._softmax_decoder import multinomial

from ._depth_curve import DepthCurve
from ._evidence import Evidence, HeldOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._model_cells import ModelCells
    from lowdepth.tl._refinement._residuals import Residuals

    from ._material import Material

SCORES_AT_A_TIME = 2**22
"""Cells times references of a block: arrays of 16 MiB, of which a few are alive together."""

CELLS_FOR_TEMPERATURE = 1000
"""Held-out cells that the temperature's three parameters are fitted on."""

FARTHEST_LOG_TEMPERATURE = 20.0
"""Beyond it a fit that tries a long step would divide by zero; the prior's standard deviation is 7 at most."""

LEAST_WEIGHT = torch.finfo(torch.float32).tiny
"""Sums of weights that float32 has rounded to zero count as this, so that their logarithms are finite."""


def posterior_labels(
    material: Material, model: BaseModelClass, progress: Callable[[int], object]
) -> tuple[HeldOut, Evidence]:
    """Give each type the posterior weights of its references.

    The weights are those of :func:`lowdepth.tl.refine_low_umi`, with a temperature that depends on the depth,

        w_ij = softmax_j(s_ij / T(l_i) + log(n_j)),   p(t | x_i) = sum over j of type t of w_ij,

    since a profile that is only about right makes each UMI count for more than it is worth. T is fitted by the
    log loss of held-out cells, which have to be explained by others: by other references, with the residuals of the
    half of the references that they are not in. ``progress`` is told of each block of query
    cells how many they are.
    """
    references = material.references
    judge = _Judge(
        torch.from_numpy(np.log(references.weight)).float(),
        one_hot(torch.from_numpy(material.codes[references.cells]), len(material.frequencies)).float(),
    )
    latent, held_out, rows = torch.from_numpy(references.latent), material.held_out, material.rows
    is_own = torch.from_numpy(references.cells) == torch.from_numpy(rows)[:, None]
    neighborhoods = Neighborhoods(latent, N_NEIGHBORS)
    pools = pool(material.reference, model, references.cells, references.latent, material.seed)
    half = pools.half[is_own.byte().argmax(1)]  # cells that are no reference are in neither, and count as in one
    scores = torch.empty(len(rows), len(latent))
    for own in np.unique(half):
        cells = np.flatnonzero(half == own)
        for positions, part in _scores(held_out.take(cells), model, latent, pools.residuals(1 - own)):
            scores[cells[positions]] = neighborhoods.mean_of_others(part, is_own[cells[positions]])
    judge.fit(scores[:CELLS_FOR_TEMPERATURE], held_out.total_umi[:CELLS_FOR_TEMPERATURE], material.codes[rows])
    log_probability = np.empty((len(material.query.obs), len(material.frequencies)))
    umis = material.query.total_umi
    for positions, part in _scores(material.query, model, latent, pools.residuals()):
        log_probability[positions] = judge(neighborhoods.mean(part), umis[positions])
        progress(len(positions))
    return (
        HeldOut(rows, Evidence(judge(scores, held_out.total_umi), held_out.total_umi)),
        Evidence(log_probability, umis),
    )


@torch.no_grad()
def _scores(
    cells: ModelCells, model: BaseModelClass, latent: torch.Tensor, residuals: Residuals
) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
    """Give the multinomial log-likelihoods of cells under references decoded in their batches, some cells at a time."""
    n_at_a_time = max(1, SCORES_AT_A_TIME // len(latent))
    with cells.registered(model) as manager:
        groups = covariate_groups(manager, np.arange(len(cells.obs)))
    for portion in cells.portions():
        for group in groups:
            positions, rows = group.within(portion)
            if not len(rows):
                continue
            profiles = multinomial(model.module, latent, group.covariates, residuals)
            for block in blocks(len(rows), n_at_a_time):
                yield positions[block], profiles.scores(take_rows(portion.counts, rows[block]))


class _Judge:
    """Turns scores of references into log probabilities of types."""

    def __init__(self, log_weight: torch.Tensor, types: torch.Tensor) -> None:
        self._log_weight, self._types = log_weight, types
        self._slopes = torch.zeros(3, dtype=torch.float64)
        self._curve = DepthCurve(center=0.0, scale=1.0)

    def __call__(self, scores: torch.Tensor, umis: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._log_probability(scores, self._powers(umis)).double().numpy()

    def fit(self, scores: torch.Tensor, umis: NDArray[np.float64], codes: NDArray[np.int64]) -> None:
        """Fit log(T) as a quadratic in log(depth); its parameters have standard normal priors."""
        self._curve = DepthCurve.of(umis)
        powers, target = self._powers(umis), torch.from_numpy(codes[: len(scores)])
        self._slopes.requires_grad_()
        optimizer = torch.optim.LBFGS([self._slopes], max_iter=20, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            value = nll_loss(self._log_probability(scores, powers), target, reduction="sum")
            value = value + self._slopes.square().sum() / 2
            value.backward()
            return value

        optimizer.step(loss)
        self._slopes.requires_grad_(requires_grad=False)

    def _powers(self, umis: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(self._curve.powers(umis))

    def _log_probability(self, scores: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
        log_temperature = (powers @ self._slopes).clamp(-FARTHEST_LOG_TEMPERATURE, FARTHEST_LOG_TEMPERATURE)
        temperature = log_temperature.exp().float()[:, None]
        weights = torch.softmax(scores / temperature + self._log_weight, dim=1)
        return (weights @ self._types).clamp_min(LEAST_WEIGHT).log()
