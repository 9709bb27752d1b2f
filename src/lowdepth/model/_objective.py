"""What the published objective adds to the ELBO: terms on the embeddings of each cell and of its thinned self."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import one_hot

from .ranks import moments, sum_over_ranks

SMALLEST_VARIANCE = 1e-30
"""Of a dimension that has collapsed: the root of zero would have no slope."""


class CrossCorrelation(NamedTuple):
    """The two parts of the cross-correlation objective."""

    invariance: torch.Tensor
    """Sum over dimensions of (1 - C_ii)^2: low where both views say the same."""
    redundancy: torch.Tensor
    """Sum over pairs of dimensions of C_ij^2: low where no dimension repeats another."""


def cross_correlation(z_thin: torch.Tensor, z_full: torch.Tensor) -> CrossCorrelation:
    """Compare the views' embeddings, cells by dimensions, each dimension z-scored over the minibatch of all ranks.

    Svensson 2026, doi:10.64898/2026.02.11.705441.

    >>> z = torch.randn(5, 3)
    >>> bool(cross_correlation(z, z).invariance < 1e-9)
    True
    """
    centred, _, variance, n_cells = moments(torch.cat([z_thin, z_full], dim=1))
    thin, full = (centred / (variance.clamp(min=SMALLEST_VARIANCE).sqrt() + 1e-8)).chunk(2, dim=1)
    correlation = sum_over_ranks(thin.t() @ full) / n_cells
    diagonal = correlation.diagonal()
    return CrossCorrelation((1 - diagonal).square().sum(), correlation.square().sum() - diagonal.square().sum())


def centred_within(group: torch.Tensor, n_groups: int, z: torch.Tensor) -> torch.Tensor:
    """Give each cell's distance from the mean of its group in the minibatch of all ranks, cells by dimensions.

    Parameters
    ----------
    group
        Codes, one for each cell: of batches, or of a covariate's categories.
    n_groups
        How many groups there are.
    z
        Embedding, cells by dimensions.

    Examples
    --------
    >>> z = torch.tensor([[1.0], [3.0], [7.0], [9.0]])
    >>> centred_within(torch.tensor([0, 0, 1, 1]), 2, z).flatten()
    tensor([-1.,  1., -1.,  1.])
    """
    own = one_hot(group.long(), n_groups).to(z)
    total = sum_over_ranks(own.t() @ torch.cat([z, torch.ones_like(z[:, :1])], dim=1))
    return z - own @ (total[:, :-1] / total[:, -1:].clamp(min=1))


def variance_hinge(z: torch.Tensor) -> torch.Tensor:
    """Penalise dimensions whose standard deviation is below one, as VICReg does (Bardes et al., ICLR 2022)."""
    return torch.relu(1 - moments(z).variance.clamp(min=SMALLEST_VARIANCE).sqrt()).mean()


def compare_views(z_thin: torch.Tensor, z_full: torch.Tensor, lambda_off_diag: float) -> dict[str, torch.Tensor]:
    """Give the terms, by the names that scvi-tools logs them under."""
    parts = cross_correlation(z_thin, z_full)
    return {
        "cco_loss": parts.invariance + lambda_off_diag * parts.redundancy,
        "cco_invariance": parts.invariance,
        "cco_redundancy": parts.redundancy,
        "variance_loss": variance_hinge(torch.cat([z_thin, z_full], dim=1)),
    }


def sample_keep(total: torch.Tensor, fewest: float) -> torch.Tensor:
    """Draw for each cell the share of UMIs to keep: the depth after thinning is log-uniform from ``fewest`` to its own.

    >>> sample_keep(torch.tensor([5.0, 10.0]), fewest=10)
    tensor([1., 1.])
    """
    lowest = torch.log(torch.full_like(total, fewest))
    log_target = lowest + torch.rand_like(total) * (total.clamp(min=fewest).log() - lowest)
    return (log_target.exp() / total).clamp(max=1)
