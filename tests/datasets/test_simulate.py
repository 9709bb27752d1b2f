"""Simulated counts: the law of each count, the tissue they make up, and what they cost."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import anndata as ad
import numba
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_matrix

import lowdepth as ld
from lowdepth.datasets import _negative_binomial
from lowdepth.datasets._negative_binomial import draw_counts

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_RATE = 1e-6  # of each test against a law: with about 30 of them, one false alarm in 30,000 seeds


def dense(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray().astype(float)


def pseudobulk(adata: ad.AnnData, column: str) -> np.ndarray:
    groups = adata.obs.groupby(column, observed=True).indices.values()
    table = np.array([dense(adata)[group].sum(axis=0) for group in groups])
    return table[:, table.sum(axis=0) > 0]


def same_counts(a: csr_matrix, b: csr_matrix) -> bool:
    return a.shape == b.shape and (a != b).nnz == 0


def test_container() -> None:
    adata = ld.datasets.simulate(50, 40, n_types=3, n_batches=2, rng=0)
    assert adata.shape == (50, 40)
    assert isinstance(adata.X, csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.X.has_canonical_format
    assert (adata.X.data >= 1).all()
    assert list(adata.obs["cell_type"].cat.categories) == ["type 0", "type 1", "type 2"]
    assert list(adata.obs["batch"].cat.categories) == ["batch 0", "batch 1"]
    assert (adata.var["overdispersion"] > 0).all()


@pytest.mark.parametrize("overdispersion", [0.0, 0.1, 1.0, 8.0])
@pytest.mark.parametrize("mean", [0.02, 0.7, 6.0, 60.0])
def test_counts_follow_the_negative_binomial(mean: float, overdispersion: float) -> None:
    n_obs, depth = 20_000, 100.0
    shares = np.array([[0.3, mean / depth, 0.7 - mean / depth]])
    alpha = np.array([0.5, overdispersion, 0.0])
    drawn = draw_counts(shares, np.zeros(n_obs, int), np.full(n_obs, depth), alpha, np.uint64(5))
    counts = drawn.toarray()[:, 1].astype(int)

    size = 1 / max(overdispersion, 1e-12)
    law = stats.nbinom(size, 1 / (1 + mean / size)) if overdispersion else stats.poisson(mean)
    # cut where each bin expects at least 20 cells
    edges = np.unique(law.ppf(np.linspace(0, 1, 30)[1:-1])).astype(int)
    cumulative = np.concatenate([[0], law.cdf(edges), [1]])
    expected = np.diff(cumulative) * n_obs
    observed = np.diff(np.concatenate([[0], [(counts <= edge).sum() for edge in edges], [n_obs]]))
    full = expected >= 20
    observed, expected = (
        np.append(observed[full], observed[~full].sum()),
        np.append(expected[full], expected[~full].sum()),
    )
    if expected[-1] < 20:
        observed, expected = observed[:-1], expected[:-1] * observed[:-1].sum() / expected[:-1].sum()
    assert stats.chisquare(observed, expected).pvalue > ERROR_RATE
    variance = mean + overdispersion * mean**2
    assert abs(counts.mean() - mean) < stats.norm.isf(ERROR_RATE / 2) * np.sqrt(variance / n_obs)


def test_counts_are_independent_between_genes_and_cells() -> None:
    n_obs = 20_000
    shares = np.full((1, 4), 0.25)
    drawn = draw_counts(shares, np.zeros(n_obs, int), np.full(n_obs, 8.0), np.full(4, 0.5), np.uint64(1)).toarray()
    between_genes = np.corrcoef(drawn.T)[np.triu_indices(4, k=1)]
    between_cells = [np.corrcoef(drawn[:-1, gene], drawn[1:, gene])[0, 1] for gene in range(4)]
    bound = stats.norm.isf(ERROR_RATE / 2) / np.sqrt(n_obs)
    assert np.abs([*between_genes, *between_cells]).max() < bound


def test_groups_have_their_own_shares() -> None:
    shares = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    drawn = draw_counts(shares, np.array([0, 1, 0]), np.full(3, 40.0), np.zeros(3), np.uint64(0)).toarray()
    np.testing.assert_array_equal(drawn > 0, [[1, 0, 0], [0, 0, 1], [1, 0, 0]])


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def laws() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.uint64]:
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(60), 3)
    return shares, generator.integers(3, size=150), generator.uniform(10, 500, 150), np.full(60, 0.5), np.uint64(9)


@pytest.fixture(scope="module")
def drawn(laws: tuple) -> csr_matrix:
    return draw_counts(*laws)


@pytest.mark.usefixtures("one_thread")
def test_draw_does_not_depend_on_threads(laws: tuple, drawn: csr_matrix) -> None:
    assert same_counts(draw_counts(*laws), drawn)


@pytest.mark.parametrize("block_size", [1, 64])
def test_draw_does_not_depend_on_blocks(
    laws: tuple, drawn: csr_matrix, block_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_negative_binomial, "BLOCK_ENTRIES", 60 * block_size)
    assert same_counts(draw_counts(*laws), drawn)


def test_runs_of_cells_are_those_of_one_call() -> None:
    whole = ld.datasets.simulate(50, 40, rng=0)
    runs = [ld.datasets.simulate(50, 40, cells=run, rng=0) for run in (slice(7), slice(7, 31), slice(31, None))]
    joined = ad.concat(runs, merge="same")
    assert same_counts(joined.X, whole.X)
    pd.testing.assert_frame_equal(joined.obs, whole.obs)
    pd.testing.assert_frame_equal(runs[1].var, whole.var)


def test_seeds() -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (ld.datasets.simulate(30, 50, rng=rng).X for rng in (0, 0, 1))
    assert same_counts(first, again)
    assert not same_counts(first, other)
    generator = np.random.default_rng(0)
    assert same_counts(ld.datasets.simulate(30, 50, rng=generator).X, first)
    assert not same_counts(ld.datasets.simulate(30, 50, rng=generator).X, first)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_depths_are_log_normal() -> None:
    adata = ld.datasets.simulate(2000, 300, median_umi=3000, depth_sd=0.5, n_types=1, overdispersion=0, rng=0)
    log_depth = np.log(dense(adata).sum(axis=1))
    # the counts' own Poisson noise, about 1 / sqrt(3000), is too small to be seen beside 0.5
    assert stats.kstest(log_depth, stats.norm(np.log(3000), 0.5).cdf).pvalue > ERROR_RATE
    assert stats.kstest(log_depth, stats.norm(np.log(3000), 0.4).cdf).pvalue < ERROR_RATE


def test_genome_wide_cells_look_like_10x() -> None:
    adata = ld.datasets.simulate(60, 32_000, rng=0)
    assert 7_000 < np.median(np.asarray(adata.X.sum(axis=1))) < 10_000
    assert 2_000 < adata.X.nnz / 60 < 3_000
    mean = np.asarray(adata.X.mean(axis=0)).ravel()
    assert np.median(mean) < 0.05
    assert 0.01 < mean.max() / mean.sum() < 0.1


def test_small_panels_keep_some_hundred_umis() -> None:
    total = dense(ld.datasets.simulate(300, 500, rng=0)).sum(axis=1)
    assert np.quantile(total, 0.05) > 200
    assert 0.3 < (total < 1000).mean() < 0.7


def test_types_are_unequal_and_batches_equal() -> None:
    obs = ld.datasets.simulate(4000, 5, n_types=6, n_batches=4, rng=0).obs
    sizes = obs["cell_type"].value_counts()
    assert sizes.max() / sizes.min() == pytest.approx(12, rel=0.05)
    assert (obs["batch"].value_counts() == 1000).all()
    # which type is common is drawn, so it says nothing about the tree
    assert ld.datasets.simulate(400, 5, n_types=6, rng=1).obs["cell_type"].value_counts().index[0] != sizes.index[0]


def test_close_relatives_differ_less_than_distant_ones() -> None:
    adata = ld.datasets.simulate(4000, 1000, n_batches=1, median_umi=3000, overdispersion=0, rng=0)
    counts = dense(adata)
    profiles = np.array([counts[adata.obs["cell_type"] == f"type {k}"].sum(axis=0) for k in range(8)])
    roots = np.sqrt(profiles / profiles.sum(axis=1, keepdims=True))
    distance = np.linalg.norm(roots[:, np.newaxis] - roots, axis=-1)
    first, second = np.triu_indices(8, k=1)
    parted_at = np.frexp(first ^ second)[1]  # 1: siblings, 2: cousins, 3: the two sides of the tree
    siblings, cousins, strangers = (distance[first, second][parted_at == level].mean() for level in (1, 2, 3))
    assert siblings < 0.85 * cousins < 0.85 * strangers


def test_effects_can_be_turned_off() -> None:
    adata = ld.datasets.simulate(
        3000, 20, n_types=4, n_batches=3, median_umi=400, type_effect=0, batch_effect=0, overdispersion=0, rng=0
    )
    assert (adata.var["overdispersion"] == 0).all()
    for column in ("cell_type", "batch"):
        assert stats.chi2_contingency(pseudobulk(adata, column)).pvalue > ERROR_RATE


@pytest.mark.parametrize("effect", ["type_effect", "batch_effect"])
def test_effects_show(effect: str) -> None:
    off = {"type_effect": 0.0, "batch_effect": 0.0, "overdispersion": 0.0}
    adata = ld.datasets.simulate(3000, 200, n_types=4, median_umi=400, rng=0, **{**off, effect: 0.5})
    shows, hidden = ("cell_type", "batch") if effect == "type_effect" else ("batch", "cell_type")
    for column, differs in ((shows, True), (hidden, False)):
        assert (stats.chi2_contingency(pseudobulk(adata, column)).pvalue < ERROR_RATE) == differs


def test_memory_is_that_of_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_negative_binomial, "BLOCK_ENTRIES", 100 * 20_000)
    ld.datasets.simulate(10, 10, rng=0)  # compiled code is not what is measured
    tracemalloc.start()
    adata = ld.datasets.simulate(4000, 20_000, n_types=4, median_umi=500, rng=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    kept = adata.X.data.nbytes + adata.X.indices.nbytes
    per_type_and_batch, per_block = 4 * 2 * 20_000 * 8, 100 * 20_000 * 8
    assert peak < 2.2 * kept + 6 * per_type_and_batch + per_block
    assert peak < 4000 * 20_000 * 4 / 5


@pytest.mark.parametrize("n_types", [1, 2, 5])
def test_smallest_data(n_types: int) -> None:
    adata = ld.datasets.simulate(1, 1, n_types=n_types, n_batches=1, rng=0)
    assert adata.shape == (1, 1)
    assert np.isfinite(adata.X.sum())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_obs": 0}, "`n_obs=0`: it has to be a finite number of at least 1"),
        ({"n_vars": -5}, "`n_vars=-5`"),
        ({"n_types": 0}, "`n_types=0`"),
        ({"n_obs": 2.5}, "`n_obs=2.5`: it has to be a whole number"),
        ({"depth_sd": 1000}, r"`depth_sd=1000` make cells of over 1e\+09 UMIs; lower them"),
        ({"n_batches": 0}, "`n_batches=0`"),
        ({"median_umi": 0}, "`median_umi=0`"),
        ({"median_umi": float("inf")}, "`median_umi=inf`"),
        ({"depth_sd": -1}, "`depth_sd=-1`"),
        ({"type_effect": float("nan")}, "`type_effect=nan`"),
        ({"batch_effect": -0.1}, "`batch_effect=-0.1`"),
        ({"overdispersion": -2}, "`overdispersion=-2`"),
        ({"cells": slice(None, None, 2)}, r"`cells=slice\(None, None, 2\)` is no run of the 5 cells"),
        ({"cells": slice(5, 9)}, r"`cells=slice\(5, 9, None\)` is no run of the 5 cells"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ld.datasets.simulate(**{"n_obs": 5, "n_vars": 5, **arguments})
