"""Alone, joined batch norm is torch's; that it is so among several processes stands in ``test_ranks``."""

from __future__ import annotations

import torch
from torch import nn

from lowdepth.model.ranks import moments, with_joined_batch_norm
from lowdepth.model.ranks._batch_norm import JoinedBatchNorm
from lowdepth.model.ranks._sums import joined, n_ranks


def networks():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(5, 4), nn.Sequential(nn.BatchNorm1d(4, momentum=0.01, eps=0.001), nn.ReLU()))
    ours = nn.Sequential(nn.Linear(5, 4), nn.Sequential(nn.BatchNorm1d(4, momentum=0.01, eps=0.001), nn.ReLU()))
    with_joined_batch_norm(ours)
    ours.load_state_dict(plain.state_dict())
    return plain, ours


def test_replaced_with_its_settings():
    layer = networks()[1][1][0]
    assert isinstance(layer, JoinedBatchNorm)
    assert (layer.momentum, layer.eps) == (0.01, 0.001)


def test_alone(monkeypatch):
    x = torch.randn(30, 5)
    for training in (True, False):
        plain, ours = (network.train(training) for network in networks())
        torch.testing.assert_close(ours(x), plain(x))
        torch.testing.assert_close(ours.state_dict(), plain.state_dict())
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda x: None)  # the other process has no cells
    plain, ours = networks()
    with joined(2):
        torch.testing.assert_close(ours(x), plain(x))
    torch.testing.assert_close(ours.state_dict(), plain.state_dict())


def test_moments():
    x = torch.randn(30, 5, dtype=torch.float64) + 100
    centred, mean, variance, n_cells = moments(x)
    torch.testing.assert_close(mean, x.mean(0))
    torch.testing.assert_close(centred, x - x.mean(0))
    torch.testing.assert_close(variance, x.var(0, correction=0))
    assert n_cells == 30


def test_a_training_that_failed_is_over():
    try:
        with joined(4):
            assert n_ranks() == 4
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert n_ranks() == 1
