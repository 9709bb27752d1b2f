"""The decoder's likelihood and its gradients are those of scvi-tools, without an array of cells by genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scvi.distributions import NegativeBinomial, Poisson

from lowdepth.model.engine import _likelihood, _torch_tile, decoder_log_likelihood, take_rows

if TYPE_CHECKING:
    from lowdepth.model.engine import SparseCounts

EPSILON32 = float(np.finfo(np.float32).eps)


class Problem(NamedTuple):
    """Cells and a decoder; float64, but every number is one of float32."""

    x: torch.Tensor
    cells: SparseCounts
    size: torch.Tensor
    parameters: tuple[torch.Tensor, ...]
    group: torch.Tensor | None


def problem(
    n_obs, n_vars, n_hidden=4, *, depth=3000.0, log_theta=(-4, 4), law="gene", stored_zeros=False, spread=1.0, seed=0
):
    """Draw cells from the decoder, but leave a fifth of the genes empty, and put all of some cells into one gene."""
    rng = np.random.default_rng(seed)
    hidden = np.abs(rng.normal(size=(n_obs, n_hidden)))
    weight = rng.normal(size=(n_vars, n_hidden)) * spread * n_hidden**-0.5
    bias = rng.normal(size=n_vars) * spread
    theta = np.exp(rng.uniform(*log_theta, size=(3 if law == "gene-batch" else 1, n_vars)))
    group = rng.integers(3, size=n_obs) if law == "gene-batch" else np.zeros(n_obs, int)

    mean = np.exp(hidden @ weight.T + bias)
    mean *= np.exp(rng.uniform(0, np.log(depth), (n_obs, 1))) / mean.sum(1, keepdims=True)
    x = rng.poisson(mean * rng.gamma(theta[group], 1 / theta[group]) if law != "poisson" else mean).astype(float)
    x[:, rng.random(n_vars) < 0.2] = 0
    for cell in np.flatnonzero(rng.random(n_obs) < 0.1):
        x[cell] = np.eye(n_vars)[rng.integers(n_vars)] * np.ceil(mean[cell].sum())
    x[x.sum(1) == 0, 0] = 1

    matrix = sp.csr_array(x + stored_zeros)
    matrix.data -= stored_zeros
    parameters = [hidden, weight, bias, *([] if law == "poisson" else [theta])]
    return Problem(
        torch.tensor(x),
        take_rows(matrix, np.arange(n_obs)),
        torch.tensor(x.sum(1)),
        tuple(torch.tensor(p.astype(np.float32)).double() for p in parameters),
        torch.tensor(group) if law == "gene-batch" else None,
    )


def reference(problem):
    """Evaluate densely in float64: sum, values by cell and gradients, as scvi-tools and autograd have them."""
    hidden, weight, bias, *dispersion = parameters = [p.clone().requires_grad_() for p in problem.parameters]
    mu = problem.size[:, None] * torch.softmax(hidden @ weight.t() + bias, 1)
    theta = [rows if problem.group is None else rows[problem.group] for rows in dispersion]
    law = NegativeBinomial(mu=mu, theta=theta[0]) if theta else Poisson(mu)
    by_cell = law.log_prob(problem.x).sum(1)
    return [by_cell.sum().detach(), by_cell.detach(), *torch.autograd.grad(by_cell.sum(), parameters)]


def ours(problem, dtype=torch.float32, precision="float32"):
    parameters = [p.to(dtype).requires_grad_() for p in problem.parameters]
    hidden, weight, bias, *dispersion = parameters
    likelihood = decoder_log_likelihood(
        problem.cells,
        hidden,
        weight,
        bias,
        problem.size.to(dtype),
        *(dispersion or [None]),
        problem.group,
        precision=precision,
    )
    return [likelihood.total.detach(), likelihood.by_cell, *torch.autograd.grad(likelihood.total, parameters)]


def error(value, exact):
    """Give the relative error in norm."""
    exact = exact.double()
    return ((value.double() - exact).norm() / exact.norm()).item()


def terms(problem):
    """Give the sizes of the terms that may cancel in each result: rounding cannot be less than a part of them."""
    hidden, weight, bias, *dispersion = problem.parameters
    p = torch.softmax(hidden @ weight.t() + bias, 1)
    x, mu = problem.x, problem.size[:, None] * p
    theta = dispersion[0] if problem.group is None else dispersion[0][problem.group]
    counted, f, log1p = x > 0, mu / (mu + theta), torch.log1p(mu / theta)
    gamma = torch.lgamma(x + theta) - torch.lgamma(theta)
    value = x * (mu.log().abs() + theta.log().abs() + log1p) + counted * (gamma.abs() + torch.lgamma(x + 1))
    by_cell = (value + theta * log1p).sum(1)
    slope = x * (1 - f) + theta * f
    slope = slope + p * slope.sum(1, keepdim=True)
    by_theta = f + log1p + counted * (torch.digamma(x + theta) - torch.digamma(theta) + x / (mu + theta))
    rows = torch.zeros(len(x), dtype=torch.int64) if problem.group is None else problem.group
    by_theta = torch.zeros_like(dispersion[0]).index_add_(0, rows, by_theta)
    return [by_cell.sum(), by_cell, slope @ weight.abs(), slope.t() @ hidden, slope.sum(0), by_theta]


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(_likelihood, "TILE_ENTRIES", {"cpu": 1})
    monkeypatch.setattr(_likelihood, "FEWEST_ROWS", 7)


@pytest.fixture
def torch_tiles(monkeypatch):
    monkeypatch.setattr(_likelihood._compiled_tile, "visit", _torch_tile.visit)


laws = st.sampled_from(["gene", "gene-batch", "poisson"])
depths = st.floats(0, np.log(200_000)).map(np.exp)
seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(
    n_obs=st.integers(10, 60),
    n_vars=st.integers(50, 400),
    n_hidden=st.integers(4, 12),
    depth=depths,
    law=laws,
    stored_zeros=st.booleans(),
    seed=seeds,
)
def test_equals_scvi_tools_with_gradients(*, n_obs, n_vars, n_hidden, depth, law, stored_zeros, seed):
    case = problem(n_obs, n_vars, n_hidden, depth=depth, law=law, stored_zeros=stored_zeros, seed=seed)
    for single, double, truth in zip(ours(case), ours(case, torch.float64), reference(case), strict=True):
        assert error(single, truth) < 1e-5
        assert error(double, truth) < 1e-10


@settings(deadline=None)
@given(
    n_obs=st.integers(1, 40),
    n_vars=st.one_of(st.integers(1, 3), st.integers(1, 100)),
    n_hidden=st.integers(1, 4),
    depth=st.one_of(depths, st.just(200_000)),
    log_theta=st.sampled_from([(-4, 4), (-9.2, -5), (-9.2, 13.8), (10, 13.8)]),
    law=st.sampled_from(["gene", "gene-batch"]),
    seed=seeds,
)
def test_extreme_cells_and_genes_lose_rounding_only(*, n_obs, n_vars, n_hidden, depth, log_theta, law, seed):
    # where large terms cancel, in a matrix of one gene above all, what is lost is some last places of the terms
    case = problem(n_obs, n_vars, n_hidden, depth=depth, log_theta=log_theta, law=law, seed=seed)
    for single, truth, size in zip(ours(case), reference(case), terms(case), strict=True):
        assert ((single - truth).abs() <= 10 * EPSILON32 * size + 1e-13).all()  # the truth is rounded, too


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("law", ["gene", "gene-batch", "poisson"])
def test_tiles_make_no_difference(law, dtype, small_tiles):
    case = problem(100, 60, law=law)
    assert len(_likelihood.tiles(100, 60, torch.device("cpu"))) == 15
    for value, truth in zip(ours(case, dtype), reference(case), strict=True):
        assert error(value, truth) < (1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("law", ["gene", "gene-batch", "poisson"])
def test_torch_tile_in_float32(law, torch_tiles):
    case = problem(50, 300, law=law)
    for value, truth in zip(ours(case), reference(case), strict=True):
        assert error(value, truth) < 1e-5


def test_both_tiles_give_the_same_gradients(monkeypatch):
    case = problem(50, 300, law="gene-batch")
    compiled = ours(case)
    monkeypatch.setattr(_likelihood._compiled_tile, "visit", _torch_tile.visit)
    for one, other in zip(compiled, ours(case), strict=True):
        assert error(one, other) < 1e-5
        assert one.dtype == other.dtype == torch.float32


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.parametrize("law", ["gene", "gene-batch", "poisson"])
def test_as_many_threads_as_one_likes(law):
    case = problem(100, 200, law=law)
    before, results = numba.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(n_threads)
            results.append(ours(case))
    finally:
        numba.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_gradients_scale_with_what_comes_from_above_and_can_be_asked_for_twice():
    case = problem(20, 80)
    parameters = [p.float().requires_grad_() for p in case.parameters]
    total, by_cell = decoder_log_likelihood(
        case.cells, *parameters[:3], case.size.float(), parameters[3], precision="float32"
    )
    loss = -total / 20
    first = torch.autograd.grad(loss, parameters, retain_graph=True)
    second = torch.autograd.grad(loss, parameters)
    assert not by_cell.requires_grad
    for one, other, truth in zip(first, second, reference(case)[2:], strict=True):
        assert torch.equal(one, other)
        assert error(one, -truth / 20) < 1e-5


def test_gradients_flow_on_to_what_made_the_parameters():
    case = problem(20, 80)
    log_theta = case.parameters[3].log().requires_grad_()
    frozen = [p.float() for p in case.parameters[:3]]
    total = decoder_log_likelihood(case.cells, *frozen, case.size.float(), log_theta.float().exp()).total
    (grad,) = torch.autograd.grad(total, log_theta)
    assert error(grad, reference(case)[5] * case.parameters[3]) < 1e-3  # "auto" may round to bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_without_gradients(dtype):
    case = problem(20, 80)
    parameters = [p.to(dtype).requires_grad_() for p in case.parameters]
    with torch.no_grad():
        total, by_cell = decoder_log_likelihood(
            case.cells, *parameters[:3], case.size.to(dtype), parameters[3], precision="float32"
        )
    assert not total.requires_grad
    exact = reference(case)
    assert error(total, exact[0]) < 1e-6
    assert error(by_cell, exact[1]) < 1e-6


def test_bfloat16_is_close():
    case = problem(200, 300, n_hidden=64)
    exact, errors = reference(case), {}
    for precision in ("float32", "bfloat16"):
        errors[precision] = [error(*pair) for pair in zip(ours(case, precision=precision), exact, strict=True)]
    assert max(errors["float32"]) < 1e-5
    assert max(errors["bfloat16"]) < 1e-2


@pytest.mark.parametrize("law", ["gene", "poisson"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["hidden", "weight", "bias"])
def test_a_parameter_that_is_no_number_shows_in_the_value(which, law):
    # whatever watches the loss for a failed training, as scvi-tools and Lightning do, must be able to see it
    case = problem(20, 80, law=law)
    case.parameters[which].view(-1)[3] = torch.nan
    assert ours(case)[0].isnan()
    assert ours(case, torch.float64)[0].isnan()


def test_a_dispersion_that_is_no_number_comes_to_an_end_and_shows_in_the_value():
    case = problem(20, 80)
    case.parameters[3][:] = torch.nan  # of genes with counts above those for which a product is formed, too
    assert (case.cells.values > 16).any()
    assert ours(case)[0].isnan()
    assert ours(case, torch.float64)[0].isnan()


def test_a_gene_far_above_all_others():
    # the shares of the others are below the smallest float32, their counts must not make the likelihood infinite
    case = problem(5, 60)
    case.parameters[2][7] += 300
    for value, truth in zip(ours(case), reference(case), strict=True):
        torch.testing.assert_close(value.double(), truth, rtol=1e-5, atol=1e-5)


def largest_allocation(run, *arguments):
    """Give the bytes of the largest tensor that torch makes."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run(*arguments)
    return max(event.self_cpu_memory_usage for event in profile.events())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("law", ["gene", "gene-batch", "poisson"])
def test_no_array_of_cells_by_genes(law, dtype, small_tiles):
    n_obs, n_vars = 500, 300
    case = problem(n_obs, n_vars, depth=50, log_theta=(0, 1), law=law)
    # the tile of 7 cells and the counts, in the indices of which a number takes 8 bytes
    assert largest_allocation(ours, case, dtype) <= 8 * max(7 * n_vars, len(case.cells.values))
    assert len(case.cells.values) < n_obs * n_vars / 10
    assert largest_allocation(reference, case) >= 8 * n_obs * n_vars


def test_tiles_cover_all_cells_once():
    for n_obs, n_vars in [(1, 1), (300, 32_000), (5000, 20_000), (33, 10**7)]:
        runs = _likelihood.tiles(n_obs, n_vars, torch.device("cpu"))
        assert [cell for run in runs for cell in range(run.start, run.stop)] == list(range(n_obs))
        assert all(run.stop - run.start == runs[0].stop for run in runs[:-1])
