"""scvi-tools' encoder on the non-zeros, and what it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.distributions import Normal

from .engine import log1p_of_counts, sparse_linear

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scvi.nn import Encoder, FCLayers

    from .engine import SparseCounts

type View = tuple[Normal, torch.Tensor]
"""A view of cells, encoded: their posterior and a sample of it."""

INPUTS = ("log1p", "direction")
"""What an encoder can be shown, see :func:`encoder_input`."""


class EncoderInput(NamedTuple):
    """What an encoder is shown of some views of cells.

    The factors are those of a linear layer's outputs as well, of which there are fewer.
    """

    values: torch.Tensor
    """In the places of the counts: views by ``n_nonzero``."""
    factor: torch.Tensor | None = None
    """By which each cell's values are multiplied, views by cells; ``None`` for ones."""


def encoder_input(counts: SparseCounts, views: torch.Tensor, kind: str) -> EncoderInput:
    """Turn the counts of views, views by ``n_nonzero``, into what the encoder is shown.

    The norm of log1p(counts) shrinks with depth, so that shallow cells slide to where the encoder
    puts an empty cell. Their ``"direction"`` has one length for all cells, the root of the
    number of genes, which makes the first layer's outputs of order one when training starts.
    """
    logged = log1p_of_counts(views)
    if kind == "log1p":
        return EncoderInput(logged)
    length = torch.stack([counts.sum_by_cell(view.square()) for view in logged]).sqrt().clamp(min=1e-6)
    return EncoderInput(logged, counts.n_vars**0.5 / length)


def encode(encoder: Encoder, counts: SparseCounts, shown: EncoderInput, *, together: bool) -> list[View]:
    """Give the posterior of every view of the cells and a sample of it, as the encoder itself would from dense input.

    Parameters
    ----------
    encoder
        An encoder that sees no covariates.
    counts
        The cells, for the places of the non-zeros.
    shown
        The encoder's input.
    together
        Let batch norm see all views as one minibatch, as at its end it sees cells of all depths.
    """
    layers = encoder.encoder
    first = layers.fc_layers[0][0]
    inputs = sparse_linear(counts, shown.values, first.weight)
    if shown.factor is not None:
        inputs = inputs * shown.factor[:, :, None]
    inputs = inputs + first.bias
    hidden: Iterable[torch.Tensor]
    if together:
        hidden = _after_first(layers, inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
    else:
        hidden = (_after_first(layers, x) for x in inputs)
    return [_posterior(encoder, h) for h in hidden]


def _after_first(layers: FCLayers, x: torch.Tensor) -> torch.Tensor:
    for layer in [layer for block in layers.fc_layers for layer in block if layer is not None][1:]:
        x = layer(x)
    return x


def _posterior(encoder: Encoder, hidden: torch.Tensor) -> View:
    variance = encoder.var_activation(encoder.var_encoder(hidden)) + encoder.var_eps
    posterior = Normal(encoder.mean_encoder(hidden), variance.sqrt(), validate_args=False)
    return posterior, encoder.z_transformation(posterior.rsample())
