"""How likely the counts of many cells are under the profiles of many reference cells.

Log-likelihoods are given up to a constant for each cell, which a posterior over references
does not see. What is constant in a gene is left out too: profiles are taken relative to a mean
profile, so that sums over genes stay small and float32 keeps their digits. The profiles are held
in blocks of references, gene by gene, so that a block's row of a gene fits the cache.
"""

from __future__ import annotations

from math import ceil, log, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
import torch
from fast_array_utils.numba import njit
from numpy.polynomial.chebyshev import chebpts1, chebvander

from lowdepth.model.engine import sparse_linear
from lowdepth.model.engine._fast_math import IN_ORDER
from lowdepth.model.engine._fast_math import log as fast_log
from lowdepth.model.engine._sparse_linear import gene_major

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lowdepth.model.engine import SparseCounts

SMALLEST_SHARE = torch.finfo(torch.float32).tiny
"""Shares that a softmax has rounded to zero count as this, so that their logarithms are finite."""

INTERPOLATION_ERROR = 1e-10
"""Of the negative binomial's sum over all genes, relative to its largest value: far below float32's rounding."""


class Profiles(NamedTuple):
    """Decoded references: shares of the genes, references by genes, and inverse dispersions of the genes."""

    share: torch.Tensor
    dispersion: torch.Tensor | None


class Multinomial:
    """The likelihood of a cell's counts given their sum: s_ij = sum_g x_ig log(rho_jg).

    Parameters
    ----------
    decoded
        The references, some at a time; their shares are scaled to a sum of one.
    """

    def __init__(self, decoded: Iterable[Profiles]) -> None:
        self._blocks: list[torch.Tensor] = []
        for share, _ in decoded:
            profile = _log(share / share.sum(1, keepdim=True))
            if not self._blocks:
                origin = profile.mean(0)
            self._blocks.append(gene_major(profile - origin))

    def scores(self, counts: SparseCounts) -> torch.Tensor:
        """Give log-likelihoods, cells by references."""
        return torch.cat([sparse_linear(counts, counts.values[None], block)[0] for block in self._blocks], dim=1)


class NegativeBinomial:
    """The likelihood of a cell's counts at means of its UMIs times the profile.

    With l_i UMIs and inverse dispersions theta_g,

        s_ij = - sum_g x_ig log(1 / rho_jg + l_i / theta_g) - sum_g theta_g log(1 + l_i rho_jg / theta_g)

    up to terms without j. The first sum runs over non-zeros. The second runs over all genes, but
    depends on the cell by log(l_i) alone. Its singularities in log(l_i) are at a distance of pi from
    the real axis, so that interpolation in a few Chebyshev nodes leaves next to no error (Trefethen,
    "Approximation theory and approximation practice", theorem 8.2).

    Parameters
    ----------
    decoded
        The references, some at a time, with dispersions.
    umis
        Fewest and most UMIs of the cells to come.
    """

    def __init__(self, decoded: Iterable[Profiles], umis: tuple[float, float]) -> None:
        low, high = map(log, umis)
        self._middle, self._half = (low + high) / 2, max((high - low) / 2, 1e-3)
        ellipse = pi / self._half + sqrt(1 + (pi / self._half) ** 2)
        self._degree = ceil(-log(INTERPOLATION_ERROR) / log(ellipse))
        nodes = chebpts1(self._degree + 1)

        self._blocks: list[torch.Tensor] = []
        sums = []
        for share, dispersion in decoded:
            profile = _log(share)
            if not self._blocks:
                origin = profile.mean(0)
                self._offset = origin.exp() / dispersion
            self._blocks.append((origin - profile).exp_().t().contiguous())
            sums.append(_sums_over_genes(np.exp(self._middle + self._half * nodes), share, dispersion))
        table = torch.cat(sums, dim=1).numpy()
        self._coefficients = np.linalg.solve(chebvander(nodes, self._degree), table - table[:, :1])

    def scores(self, counts: SparseCounts) -> torch.Tensor:
        """Give log-likelihoods, cells by references."""
        size = counts.total()
        position = (size.double().log().numpy() - self._middle) / self._half
        over_genes = torch.from_numpy(chebvander(position, self._degree) @ self._coefficients).float()
        cells = [part.numpy() for part in (counts.values, counts.columns, counts.row_starts, size, self._offset)]
        over_nonzeros = [torch.from_numpy(_sums_over_nonzeros(*cells, block.numpy())) for block in self._blocks]
        return -torch.cat(over_nonzeros, dim=1).add_(over_genes)


def _log(share: torch.Tensor) -> torch.Tensor:
    return share.clamp_min(SMALLEST_SHARE).log_()


def _sums_over_genes(sizes: np.ndarray, share: torch.Tensor, dispersion: torch.Tensor) -> torch.Tensor:
    """Give sum_g theta_g log(1 + l rho_jg / theta_g), sizes by references."""
    ratio = share / dispersion
    return torch.stack([(ratio * size).log1p_().mul_(dispersion).sum(1, dtype=torch.float64) for size in sizes])


@njit
def _sums_over_nonzeros(  # noqa: PLR0917  numba takes no keyword-only arguments
    values: np.ndarray,
    columns: np.ndarray,
    row_starts: np.ndarray,
    size: np.ndarray,
    offset: np.ndarray,
    inverse_share: np.ndarray,
) -> np.ndarray:
    """Give sum_g x_ig log(1 / rho_jg + l_i / theta_g), less what it would be at a profile of ones."""
    out = np.zeros((len(size), inverse_share.shape[1]), np.float32)
    for cell in numba.prange(len(size)):
        for i in range(row_starts[cell], row_starts[cell + 1]):
            shift = size[cell] * offset[columns[i]]
            scale = np.float32(1) / (np.float32(1) + shift)
            _add_logs(out[cell], values[i], inverse_share[columns[i]], scale, scale * shift)
    return out


@numba.njit(nogil=True, fastmath=IN_ORDER)
def _add_logs(total: np.ndarray, count: np.float32, terms: np.ndarray, scale: np.float32, shift: np.float32) -> None:
    for j in range(len(total)):
        total[j] += count * fast_log(scale * terms[j] + shift)
