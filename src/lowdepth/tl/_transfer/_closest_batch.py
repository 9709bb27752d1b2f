"""The batch in which a model would decode cells of a batch that it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lowdepth.tl._refinement._profile_likelihood import SMALLEST_SHARE
from lowdepth.tl._refinement._reference_profiles import covariate_groups, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth.tl._cells._model_cells import ModelCells


def closest_batch(
    cells: ModelCells, model: BaseModelClass, key: str, known: NDArray[Any], is_shared: NDArray[np.bool_]
) -> Any:
    """Give the known batch under which the cells are likeliest.

    They are few. They are encoded and decoded as if they were of each batch; the likelihood is the multinomial one of
    their counts in the shared genes.
    """
    cells = cells._replace(counts=cells.loaded())
    likelihoods = [
        _log_likelihood(cells._replace(obs=cells.obs.assign(**{key: batch})), model, is_shared) for batch in known
    ]
    return known[int(np.argmax(likelihoods))]


@torch.no_grad()
def _log_likelihood(cells: ModelCells, model: BaseModelClass, is_shared: NDArray[np.bool_]) -> float:
    total, counts = 0.0, cells.loaded()[:, is_shared]
    with cells.registered(model) as manager:
        latent = torch.from_numpy(model.get_latent_representation(manager.adata))
        for group in covariate_groups(manager, np.arange(len(latent))):
            decoded = decode(model.module, latent[group.positions], group.covariates)
            shares = torch.cat([profiles.share for profiles in decoded])[:, is_shared].clamp(SMALLEST_SHARE)
            log_shares = (shares / shares.sum(dim=1, keepdim=True)).log().numpy()
            total += float(counts[group.positions].multiply(log_shares).sum())
    return total
