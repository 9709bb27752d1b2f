"""The module: scvi-tools' own, with a likelihood that spares the zeros."""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from scvi.distributions import NegativeBinomial
from scvi.external import JointEmbeddingVAE
from scvi.module._constants import MODULE_KEYS


class NonzeroNegativeBinomial(NegativeBinomial):  # type: ignore[misc]  # scvi-tools is not typed
    """A negative binomial that evaluates the gamma function where there are counts.

    At a count of zero the three log-gammas of the likelihood cancel, and nine of ten entries
    of a single-cell matrix are zero: the same number comes at a fraction of the time.
    """

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Give the log-likelihood of each count."""
        if value.shape != self.mu.shape or self.on_mps:
            return super().log_prob(value)
        log_total = torch.log(self.theta + self.mu + self._eps)
        at_zero = self.theta * (torch.log(self.theta + self._eps) - log_total)
        counted = value.reshape(-1).nonzero().squeeze(-1)
        x, mu, theta, log_total = (
            parameter.expand_as(self.mu).reshape(-1).index_select(0, counted)
            for parameter in (value, self.mu, self.theta, log_total)
        )
        gain = x * (torch.log(mu + self._eps) - log_total)
        gain = gain + torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
        return at_zero.reshape(-1).index_add(0, counted, gain).reshape(value.shape)


class JointEmbeddingModule(JointEmbeddingVAE):  # type: ignore[misc]  # scvi-tools is not typed
    """The published module; weights move freely between it and scvi-tools' own."""

    @wraps(JointEmbeddingVAE.generative)  # scvi-tools reads from the signature what a module can do
    def generative(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Decode, with the likelihood above where it is a plain negative binomial."""
        outputs = super().generative(*arguments, **options)
        counts = outputs[MODULE_KEYS.PX_KEY]
        if type(counts) is NegativeBinomial:
            outputs[MODULE_KEYS.PX_KEY] = NonzeroNegativeBinomial(mu=counts.mu, theta=counts.theta, scale=counts.scale)
        return outputs
