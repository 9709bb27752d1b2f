"""The multinomial likelihood where the decoder ends in a softmax, as scVI's does.

Then log(rho_jg) = h_j' w_g + b_g - log(Z_j), with what the last hidden layer makes of reference j, and

    sum_g x_ig log(rho_jg) = (sum_g x_ig w_g)' h_j - l_i log(Z_j)

up to a constant for each cell: the sum over the genes is as wide as the hidden layer, 128 or 256 numbers,
rather than one for each of thousands of references, and no profile has to be kept. Factors on the profiles, as
:mod:`~lowdepth.tl._refinement._residuals` gives them, add their own sum and change the normalizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lowdepth.model.engine import sparse_linear

from ._profile_likelihood import Multinomial
from ._reference_profiles import decode
from ._residuals import corrected

if TYPE_CHECKING:
    from scvi.module import VAE

    from lowdepth.model.engine import SparseCounts

    from ._reference_profiles import Covariates
    from ._residuals import Residuals


class LogLinearMultinomial:
    """The likelihood of :class:`~lowdepth.tl._refinement._profile_likelihood.Multinomial`, by hidden layers.

    Parameters
    ----------
    hidden
        References by hidden units.
    log_normalizer
        log(Z_j) of each reference; a constant may be added.
    weight
        Genes by hidden units.
    frequency
        Mean share of each gene.
    residuals
        Factors on the shares, which the normalizers know.
    """

    def __init__(
        self,
        hidden: torch.Tensor,
        log_normalizer: torch.Tensor,
        weight: torch.Tensor,
        frequency: torch.Tensor,
        residuals: Residuals | None = None,
    ) -> None:
        # relative to the mean gene and reference, so that sums stay small and float32 keeps their digits
        mean_gene = frequency @ weight
        hidden = hidden - hidden.mean(0)
        offset = log_normalizer - hidden @ mean_gene
        self._hidden, self._offset = hidden.t(), offset - offset.mean()
        self._weight = (weight - mean_gene).t()
        self._residuals = residuals

    def scores(self, counts: SparseCounts) -> torch.Tensor:
        """Give log-likelihoods, cells by references."""
        of_cells = sparse_linear(counts, counts.values[None], self._weight)[0]
        scores = torch.addmm(torch.outer(counts.total(), self._offset), of_cells, self._hidden, beta=-1)
        return scores if self._residuals is None else scores.add_(self._residuals.scores(counts))


@torch.no_grad()
def multinomial(
    module: VAE, latent: torch.Tensor, covariates: Covariates, residuals: Residuals | None
) -> Multinomial | LogLinearMultinomial:
    """Give the likelihood under references decoded with one row of covariates, the quick one where it is the same."""
    last = getattr(module.decoder, "px_scale_decoder", None)
    quick = None
    if isinstance(last, nn.Sequential) and [type(layer) for layer in last] == [nn.Linear, nn.Softmax]:
        quick = _log_linear(module, last, latent, covariates, residuals)
    return quick or Multinomial(corrected(module, latent, covariates, residuals))


def _log_linear(
    module: VAE, last: nn.Sequential, latent: torch.Tensor, covariates: Covariates, residuals: Residuals | None
) -> LogLinearMultinomial | None:
    """Catch what enters the last layer; give ``None`` if the shares are not what leaves it."""
    weight, bias = last[0].weight.detach().cpu(), last[0].bias.detach().cpu()
    hidden, log_normalizer, total, n_decoded = [], [], torch.zeros(len(weight)), 0
    entered: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0].cpu()))
    try:
        for share, _ in decode(module, latent, covariates):
            if len(entered) != 1 or not torch.allclose(_softmax(entered[0][0], weight, bias), share[0], rtol=1e-3):
                return None
            hidden.append(entered.pop())
            total += share.sum(0)
            largest, gene = share.max(1)
            log_normalizer.append((hidden[-1] * weight[gene]).sum(1) + bias[gene] - largest.log())
            if residuals is not None:
                log_normalizer[-1] += residuals.multiplied(share, n_decoded).sum(1).log()
            n_decoded += len(share)
    finally:
        hook.remove()
    return LogLinearMultinomial(torch.cat(hidden), torch.cat(log_normalizer), weight, total / n_decoded, residuals)


def _softmax(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return (weight @ hidden + bias).softmax(0)
