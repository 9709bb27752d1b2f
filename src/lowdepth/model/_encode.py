"""scvi-tools' encoder on the non-zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.distributions import Normal

from .engine import sparse_linear

if TYPE_CHECKING:
    import torch
    from scvi.nn import Encoder, FCLayers

    from .engine import SparseCounts


def encode(encoder: Encoder, counts: SparseCounts, views: torch.Tensor) -> list[tuple[Normal, torch.Tensor]]:
    """Give the posterior of every view of the cells and a sample of it, as the encoder itself would from dense input.

    Parameters
    ----------
    encoder
        An encoder that sees no covariates.
    counts
        The cells, for the places of the non-zeros.
    views
        The encoder's input in these places, views by ``n_nonzero``.
    """
    layers = encoder.encoder
    first = layers.fc_layers[0][0]
    inputs = sparse_linear(counts, views, first.weight) + first.bias
    return [_posterior(encoder, _after_first(layers, x)) for x in inputs]


def _after_first(layers: FCLayers, x: torch.Tensor) -> torch.Tensor:
    for layer in [layer for block in layers.fc_layers for layer in block if layer is not None][1:]:
        x = layer(x)
    return x


def _posterior(encoder: Encoder, hidden: torch.Tensor) -> tuple[Normal, torch.Tensor]:
    variance = encoder.var_activation(encoder.var_encoder(hidden)) + encoder.var_eps
    posterior = Normal(encoder.mean_encoder(hidden), variance.sqrt(), validate_args=False)
    return posterior, encoder.z_transformation(posterior.rsample())
