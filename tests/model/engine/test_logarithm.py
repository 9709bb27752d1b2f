"""The logarithm of counts is torch's to a float's rounding."""

from __future__ import annotations

import pytest
import torch

from lowdepth.model.engine import log1p_of_counts


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (2, 10_001)], ids=str)
def test_equals_torch(shape):
    counts = torch.poisson(torch.full(shape, 3.0))
    torch.testing.assert_close(log1p_of_counts(counts), counts.log1p(), rtol=3e-7, atol=0)


def test_all_sizes_of_counts():
    counts = torch.cat([torch.arange(10_000.0), torch.tensor([1e5, 1e7, 2.0**24, 1e9])])
    torch.testing.assert_close(log1p_of_counts(counts), counts.log1p(), rtol=3e-7, atol=0)


def test_float64_and_strides():
    counts = torch.arange(12.0, dtype=torch.float64).reshape(3, 4).t()
    torch.testing.assert_close(log1p_of_counts(counts), counts.log1p(), rtol=0, atol=0)
    torch.testing.assert_close(log1p_of_counts(counts.float()), counts.float().log1p(), rtol=3e-7, atol=0)
