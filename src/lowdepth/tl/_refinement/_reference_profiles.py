"""What reference cells would look like in the batches of other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scvi import REGISTRY_KEYS
from scvi.data import AnnTorchDataset
from scvi.module._constants import MODULE_KEYS

from ._profile_likelihood import Profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from scvi.module import VAE

    from lowdepth._blocked_counts import Portion

type Covariates = dict[str, torch.Tensor]

BATCH, LABELS = REGISTRY_KEYS.BATCH_KEY, REGISTRY_KEYS.LABELS_KEY
CATEGORICAL, CONTINUOUS = REGISTRY_KEYS.CAT_COVS_KEY, REGISTRY_KEYS.CONT_COVS_KEY

REFERENCES_AT_A_TIME = 256
"""Decoded together: the weights of a thousand genes then take a megabyte, which waits in the second cache."""


class Group(NamedTuple):
    """Where cells of one combination of batch and categorical covariates are, and what they share, as rows of one."""

    positions: NDArray[np.int64]
    covariates: Covariates

    def within(self, portion: Portion) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the positions of the group's cells in a portion, and their rows there."""
        positions, _, places = np.intersect1d(
            self.positions, portion.positions, assume_unique=True, return_indices=True
        )
        return positions, portion.rows[places]


def covariate_groups(manager: AnnDataManager, cells: NDArray[np.int64]) -> list[Group]:
    """Group cells that a decoder cannot tell apart; continuous covariates take their mean in the group."""
    keys = [key for key in (BATCH, LABELS, CATEGORICAL, CONTINUOUS) if key in manager.data_registry]
    tensors = {key: torch.from_numpy(value) for key, value in AnnTorchDataset(manager, keys)[cells].items()}
    categories = torch.cat([tensors[key] for key in (BATCH, CATEGORICAL) if key in tensors], dim=1)
    group_of = categories.unique(dim=0, return_inverse=True)[1]
    groups = []
    for group in range(int(group_of.max()) + 1):
        own = group_of == group
        covariates = {key: tensor[own][:1] for key, tensor in tensors.items()}
        covariates[LABELS] = torch.zeros_like(covariates[LABELS])  # what a label would change is never asked for
        if CONTINUOUS in tensors:
            covariates[CONTINUOUS] = tensors[CONTINUOUS][own].mean(0, keepdim=True)
        groups.append(Group(np.flatnonzero(own.numpy()), covariates))
    return groups


def blocks(n_cells: int, n_at_a_time: int) -> list[slice]:
    """Cut cells into blocks.

    >>> blocks(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return [slice(start, start + n_at_a_time) for start in range(0, n_cells, n_at_a_time)]


def decode(module: VAE, latent: torch.Tensor, covariates: Covariates) -> Iterator[Profiles]:
    """Decode the references under one row of covariates, some at a time."""
    for z in latent.split(REFERENCES_AT_A_TIME):
        tensors = {key: row.expand(len(z), -1) for key, row in covariates.items()}
        # the profile does not depend on the library size; models with size factors take them in its place
        inference = {MODULE_KEYS.Z_KEY: z, MODULE_KEYS.LIBRARY_KEY: z.new_zeros(len(z), 1)}
        if module.use_size_factor_key:
            tensors[REGISTRY_KEYS.SIZE_FACTOR_KEY] = z.new_ones(len(z), 1)
        counts = module.generative(**module._get_generative_input(tensors, inference))[MODULE_KEYS.PX_KEY]
        theta = getattr(counts, "theta", None)
        yield Profiles(counts.get_normalized("scale").cpu(), None if theta is None else theta[0].cpu())
