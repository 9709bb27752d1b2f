"""A decoder that evaluates the counted and the most expressed genes, and a sample of the others.

The likelihood of a cell's zeros is a sum over genes, and so is the normaliser of its softmax. Genes drawn with
probabilities q stand for all but the most expressed ones, each with weight 1 / (n q): the sum of the zeros is unbiased
given the normaliser, the normaliser itself unbiased. With q the decoder's own gene frequencies its variance is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi import REGISTRY_KEYS

from lowdepth.model._module import JointEmbeddingModule
from lowdepth.model.engine._likelihood import LogLikelihood
from lowdepth.model.engine._torch_tile import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lowdepth.model.engine import SparseCounts

ALWAYS, SAMPLED = 1000, 2000


class SampledGenes(JointEmbeddingModule):
    """Zeros count at 1,000 genes and at a sample of 2,000 others, standing for all."""

    def _log_likelihood(
        self, counts: SparseCounts, z: torch.Tensor, size: torch.Tensor, tensors: Mapping[str, Any]
    ) -> LogLikelihood:
        hidden = self.decoder.px_decoder(z, tensors[REGISTRY_KEYS.BATCH_KEY])
        layer, theta = self.decoder.px_scale_decoder[0], self.px_r.exp()
        genes, weight = sample_genes(layer.bias.detach())

        logits = hidden @ layer.weight[genes].t() + layer.bias[genes]
        log_total = torch.logsumexp(logits + weight.log(), dim=1)
        mu = size[:, None] * (logits - log_total[:, None]).exp()
        of_zeros = -(weight * theta[genes] * torch.log1p(mu / (theta[genes] + EPSILON))).sum(1)

        cells, columns, x = counts.rows, counts.columns.long(), counts.values
        logits = (hidden[cells] * layer.weight[columns]).sum(1) + layer.bias[columns]
        mu, theta = size[cells] * (logits - log_total[cells]).exp(), theta[columns]
        gain = x * (torch.log(mu + EPSILON) - torch.log(theta + mu + EPSILON))
        gain = gain + torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
        by_cell = of_zeros.index_add(0, cells, gain)
        return LogLikelihood(by_cell.sum(), by_cell.detach())


def sample_genes(bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give genes, and of how many each stands for."""
    n_always = min(ALWAYS, len(bias))
    always = bias.topk(n_always).indices
    others = torch.ones_like(bias, dtype=torch.bool).index_fill(0, always, value=False).nonzero().squeeze(1)
    if not len(others):
        return always, torch.ones(n_always)
    q = bias[others].softmax(0)
    drawn = torch.multinomial(q, SAMPLED, replacement=True)
    return torch.cat([always, others[drawn]]), torch.cat([torch.ones(n_always), 1 / (SAMPLED * q[drawn])])
