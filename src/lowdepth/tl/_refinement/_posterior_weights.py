"""From log-likelihoods to the posterior over reference cells, and what it says of a cell."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Posterior(NamedTuple):
    """The posterior of some cells over the references.

    ``weights`` are cells by references and sum up to one; ``mean`` is the latent's, cells by
    dimensions; ``n_references`` is 1 / (sum of squared weights); ``entropy`` is in nats.
    """

    weights: torch.Tensor
    mean: torch.Tensor
    n_references: torch.Tensor
    entropy: torch.Tensor


def posterior(
    log_likelihood: torch.Tensor, log_prior: torch.Tensor, latent: torch.Tensor, *, temperature: float
) -> Posterior:
    """Weigh the references by Bayes' rule.

    Parameters
    ----------
    log_likelihood
        Cells by references, up to a constant for each cell.
    log_prior
        Of each reference, up to a constant.
    latent
        References by dimensions.
    temperature
        Divides the log-likelihood.

    Examples
    --------
    >>> likelihood, latent = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[0.0], [4.0], [8.0]])
    >>> posterior(likelihood.log(), torch.zeros(3), latent, temperature=1).mean
    tensor([[1.]])
    """
    log_weights = torch.log_softmax(log_likelihood / temperature + log_prior, dim=1)
    weights = log_weights.exp()
    return Posterior(
        weights=weights,
        mean=weights @ latent,
        n_references=1 / weights.square().sum(1),
        # a certain cell has an entropy of 0, not of -0
        entropy=(weights * -log_weights).sum(1).clamp_min(0),
    )


def largest(weights: torch.Tensor, n_kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the largest weights of each cell, scaled to a sum of one, and their references.

    >>> largest(torch.tensor([[0.1, 0.6, 0.3]]), 2)
    (tensor([[0.6667, 0.3333]]), tensor([[1, 2]]))
    """
    kept, reference = weights.topk(min(n_kept, weights.shape[1]), dim=1)
    return kept / kept.sum(1, keepdim=True), reference
