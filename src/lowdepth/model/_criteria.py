"""What says without labels how good a model is, from cells that it was not trained on."""

from __future__ import annotations

import torch


def thinning_stability(one: torch.Tensor, other: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Give the reliability of :func:`lowdepth.tl.thinning_stability` for a minibatch as a whole.

    Parameters
    ----------
    one, other
        Embeddings of the cells, each thinned to half of its UMIs, cells by dimensions.
    total
        UMIs of the cells.

    >>> z = torch.tensor([[0.0], [2.0], [0.0], [2.0]])
    >>> thinning_stability(z, z, torch.tensor([9.0, 9.0, 9.0, 9.0]))
    tensor(1.)
    """
    noise = (one - other).square().sum(1).mean() / 2
    mean = (one + other) / 2
    mean, depth = mean - mean.mean(0), total.log() - total.log().mean()
    # what goes along with the logarithm of depth is no signal
    beside = mean - torch.outer(depth, depth @ mean / depth.square().sum().clamp(min=1e-12))
    signal = (beside.square().sum() / max(len(mean) - 2, 1) - 1.5 * noise).clamp(min=0)
    return signal / (signal + noise).clamp(min=1e-12)
