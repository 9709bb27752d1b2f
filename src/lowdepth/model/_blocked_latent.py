"""The embedding of cells whose counts are computed block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._stand_in import registered

if TYPE_CHECKING:
    import pandas as pd
    from scvi.model.base import BaseModelClass

    from lowdepth._blocked_counts import BlockedCounts


def blocked_latent(
    model: BaseModelClass, counts: BlockedCounts, obs: pd.DataFrame, var: pd.DataFrame, **latent_kwargs: Any
) -> Any:
    """Give what the model's ``get_latent_representation`` would of all cells in memory."""
    positions, parts = [], []
    for portion in counts.portions():
        of_portion = obs.iloc[portion.positions].set_axis(np.arange(len(portion.positions)).astype(str), axis=0)
        with registered(of_portion, var, model, portion.counts) as manager:
            parts.append(model.get_latent_representation(manager.adata, **latent_kwargs))
        positions.append(portion.positions)
    order = np.argsort(np.concatenate(positions))
    if isinstance(parts[0], tuple):  # means and variances
        return tuple(np.concatenate(part)[order] for part in zip(*parts, strict=True))
    return np.concatenate(parts)[order]
