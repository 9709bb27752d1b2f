"""Reference cells that a model has not been trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

logger = logging.getLogger("lowdepth")

FEWEST_UNSEEN = 500
"""Cells to calibrate on. Five times thinned, 500 leave some 300 to each of eight bins of depth, whose coverage of 0.9
chance moves by 1.7 points. That the model knows its cells costs the lowest 0.7 ± 0.2 points in ``pbmc_ifnb_14k``."""


def to_calibrate_on(names: pd.Index[str], model: BaseModelClass) -> NDArray[np.int64]:
    """Give the rows of cells to learn from how often a method is right: those new to the model, if they are many.

    A model decodes cells that it knows a little better than others, so that its evidence of their types is worth more.
    Cells are told apart by name, and by what the model's last training held out.
    """
    every = np.arange(len(names))
    trained_on = model.train_indices
    if trained_on is None:
        return every
    n_known = sum(len(part) for part in (trained_on, model.validation_indices, model.test_indices) if part is not None)
    if n_known != model.adata.n_obs:  # cells were dropped in place, and positions are others than in the training
        return every
    unseen = np.flatnonzero(~names.isin(model.adata.obs_names[trained_on]))
    if len(unseen) < FEWEST_UNSEEN:
        return every
    logger.info("calibrating on %d reference cells that the model was not trained on", len(unseen))
    return unseen
