"""What references show beyond what is decoded from them."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix

from lowdepth._umi_totals import total_umis
from lowdepth.model.engine import sparse_linear
from lowdepth.model.engine._sparse_linear import gene_major

from ._profile_likelihood import SMALLEST_SHARE, Profiles
from ._reference_profiles import REFERENCES_AT_A_TIME, blocks, covariate_groups, decode
from ._references import neighborhoods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass
    from scvi.module import VAE

    from lowdepth.model.engine import SparseCounts
    from lowdepth.tl._cells._model_cells import ModelCells

    from ._reference_profiles import Covariates

CELLS_PER_POOL = 10
"""On average: few, so that they are of one kind."""


class Residuals:
    """Factors by which the genes of decoded profiles are multiplied, the same for all references of a pool.

    Parameters
    ----------
    ratio
        Pools by genes.
    pool
        Of each reference.

    Examples
    --------
    >>> residuals = Residuals(torch.tensor([[1.0, 1.0], [0.5, 2.0]]), torch.tensor([0, 1]))
    >>> next(residuals.applied([Profiles(torch.tensor([[0.5, 0.5], [0.8, 0.2]]), None)])).share
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """

    def __init__(self, ratio: torch.Tensor, pool: torch.Tensor) -> None:
        self._ratio, self._pool = ratio, pool
        self._log_ratio = gene_major(ratio.clamp_min(SMALLEST_SHARE).log())

    def scores(self, counts: SparseCounts) -> torch.Tensor:
        """Give what the factors add to log-likelihoods, sum_g x_ig log(r_jg), cells by references."""
        return sparse_linear(counts, counts.values[None], self._log_ratio)[0].index_select(1, self._pool)

    def multiplied(self, share: torch.Tensor, first: int) -> torch.Tensor:
        """Multiply the shares of references, of which these are the ones from ``first`` on; no longer of sum one."""
        return share * self._ratio[self._pool[first : first + len(share)]]

    def applied(self, decoded: Iterable[Profiles]) -> Iterator[Profiles]:
        """Give all references' profiles with their factors."""
        first = 0
        for share, dispersion in decoded:
            product = self.multiplied(share, first)
            first += len(share)
            yield Profiles(product / product.sum(1, keepdim=True), dispersion)


def corrected(
    module: VAE, latent: torch.Tensor, covariates: Covariates, residuals: Residuals | None
) -> Iterator[Profiles]:
    """Decode references under one row of covariates, some at a time, and correct them if there are residuals."""
    decoded = decode(module, latent, covariates)
    return decoded if residuals is None else residuals.applied(decoded)


class Pools(NamedTuple):
    """Counts of the references of each pool, and what is decoded for them, in two halves of the references.

    ``pool`` and ``half`` are those of each reference; ``observed`` and ``expected`` are halves by pools by genes.
    """

    pool: torch.Tensor
    half: NDArray[np.int64]
    observed: torch.Tensor
    expected: torch.Tensor

    @property
    def concentration(self) -> float:
        """One over the variance of the true ratios, sum E_1 E_2 / sum (O_1 - E_1) (O_2 - E_2).

        The noise of one half is not the noise of the other. Infinite where the halves do not agree.
        """
        excess = self.observed - self.expected
        agreed = float((excess[0] * excess[1]).sum(dtype=torch.float64))
        return float((self.expected[0] * self.expected[1]).sum(dtype=torch.float64)) / agreed if agreed > 0 else inf

    def residuals(self, half: int | None = None) -> Residuals:
        """Estimate the factors, from one half of the references or from all.

        r = (O + a) / (E + a) is the posterior mean of a ratio with a gamma prior of mean 1 and concentration a, when
        the counts O are Poisson with mean r E.
        """
        observed, expected = (part.sum(0) if half is None else part[half] for part in (self.observed, self.expected))
        return Residuals(1 + (observed - expected) / (expected + self.concentration), self.pool)


@torch.no_grad()
def pool(
    cells: ModelCells, model: BaseModelClass, rows: NDArray[np.int64], latent: NDArray[np.floating], seed: int
) -> Pools:
    """Sum up the counts of references that lie together, and what is decoded for each in its own batch.

    Parameters
    ----------
    cells
        Where the references are.
    model
        Decodes them.
    rows
        The references among the cells.
    latent
        Of the references.
    seed
        Of the pools and the halves.
    """
    n_references = len(rows)
    pools = neighborhoods(latent, ceil(n_references / CELLS_PER_POOL), seed)
    half = np.random.default_rng(seed).permutation(n_references) % 2
    n_pools = int(pools.max()) + 1
    slot, z = half * n_pools + pools, torch.from_numpy(latent)
    observed, expected = (np.zeros((2 * n_pools, len(cells.var)), np.float32) for _ in range(2))
    with cells.registered(model) as manager:
        groups = covariate_groups(manager, rows)
    for portion in cells.portions(rows):
        for group in groups:
            positions, own_rows = group.within(portion)
            if not len(positions):
                continue
            decoded = decode(model.module, z[positions], group.covariates)
            for block, (share, _) in zip(blocks(len(positions), REFERENCES_AT_A_TIME), decoded, strict=True):
                counts = portion.counts[own_rows[block]]
                per_share = (total_umis(counts) / share.sum(1).numpy()).astype(np.float32)
                slots, place = np.unique(slot[positions[block]], return_inverse=True)
                members = csr_matrix((np.ones_like(per_share), (place, np.arange(len(place)))))
                observed[slots] += (members @ counts).toarray()
                expected[slots] += members @ (share.numpy() * per_share[:, None])
    in_halves = (torch.from_numpy(part).unflatten(0, (2, n_pools)) for part in (observed, expected))
    return Pools(torch.from_numpy(pools), half, *in_halves)
