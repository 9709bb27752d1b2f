"""The sparse layer is the dense one, forward and in the gradient of its weights."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lowdepth.model.engine import sparse_linear, take_rows
from lowdepth.model.engine._sparse_linear import TILE_GENES, gene_major


def problem(n_obs, n_vars, n_out, n_views, *, density=0.1, dtype=torch.float32, seed=0):
    """Draw cells, some of them empty, views with zeros in the places of counts, and weights."""
    rng = np.random.default_rng(seed)
    stored = rng.random((n_obs, n_vars)) < density
    stored[rng.random(n_obs) < 0.1] = False
    cells = take_rows(sp.csr_array(stored.astype(np.float32)), np.arange(n_obs))
    views = rng.poisson(0.7, (n_views, stored.sum())) * rng.lognormal(size=(n_views, 1))
    weight = rng.normal(size=(n_out, n_vars))
    return cells, torch.tensor(views, dtype=dtype), torch.tensor(weight, dtype=dtype)


def run(cells, values, weight, grad):
    weight = weight.detach().requires_grad_()
    out = sparse_linear(cells, values, weight)
    return out.detach(), *torch.autograd.grad(out, weight, grad)


def reference(cells, values, weight, grad):
    weight = weight.double().requires_grad_()
    out = torch.stack([cells.dense(view.double()) @ weight.t() for view in values])
    return out.detach(), *torch.autograd.grad(out, weight, grad.double())


def assert_equals_dense(cells, values, weight, grad, tolerance=2e-6):
    """Check each number: its error is a small part of the terms that it is the sum of."""
    exact = reference(cells, values, weight, grad)
    terms = reference(cells, values.abs(), weight.abs(), grad.abs())
    for one, other, size in zip(run(cells, values, weight, grad), exact, terms, strict=True):
        assert one.shape == other.shape
        assert one.dtype == weight.dtype
        assert ((one.double() - other).abs() <= tolerance * size).all()


@settings(deadline=None)
@given(
    n_obs=st.integers(1, 20),
    n_vars=st.one_of(
        st.integers(1, 60), st.sampled_from([TILE_GENES - 1, TILE_GENES, TILE_GENES + 1, 3 * TILE_GENES + 5])
    ),
    n_out=st.integers(1, 20),
    n_views=st.integers(1, 3),
    density=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    by_gene=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_dense_layer(*, n_obs, n_vars, n_out, n_views, density, by_gene, seed):
    cells, values, weight = problem(n_obs, n_vars, n_out, n_views, density=density, seed=seed)
    weight = gene_major(weight) if by_gene else weight
    grad = torch.randn(n_views, n_obs, n_out, generator=torch.Generator().manual_seed(seed % 2**31))
    assert_equals_dense(cells, values, weight, grad)


def test_float64():
    cells, values, weight = problem(15, 50, 8, 2, dtype=torch.float64)
    grad = torch.randn(2, 15, 8, dtype=torch.float64)
    assert_equals_dense(cells, values, weight, grad, tolerance=1e-14)


def test_a_gradient_that_is_not_contiguous():
    # the sum over a bias or a mean over cells sends back an expanded one
    cells, values, weight = problem(12, 40, 6, 2)
    grad = torch.rand(1, 1, 6).expand(2, 12, 6)
    assert not grad.is_contiguous()
    assert_equals_dense(cells, values, weight, grad)


def test_views_do_not_see_each_other():
    cells, values, weight = problem(12, 40, 6, 3)
    together = sparse_linear(cells, values, weight)
    for view, out in zip(values, together, strict=True):
        assert torch.equal(sparse_linear(cells, view[None], weight)[0], out)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_as_many_threads_as_one_likes():
    cells, values, weight = problem(101, 2 * TILE_GENES + 9, 16, 2)
    grad = torch.randn(2, 101, 16)
    before, results = numba.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(n_threads)
            results.append(run(cells, values, weight, grad))
    finally:
        numba.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_more_threads_than_cells():
    cells, values, weight = problem(1, 40, 6, 1, density=0.5)
    grad = torch.ones(1, 1, 6)
    assert_equals_dense(cells, values, weight, grad)


def test_gene_major_moves_the_weights_only():
    weight = torch.randn(5, 9)
    moved = gene_major(weight)
    assert torch.equal(moved, weight)
    assert moved.stride() == (1, 5)
    assert gene_major(moved).stride() == (1, 5)


def test_the_gradient_lies_in_memory_as_the_weights_do():
    # autograd keeps such a gradient as it is; any other it would copy in every step
    cells, values, weight = problem(12, 40, 6, 2)
    parameter = torch.nn.Parameter(gene_major(weight))
    sparse_linear(cells, values, parameter).sum().backward()
    assert parameter.grad.stride() == parameter.stride()
