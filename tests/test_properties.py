"""What holds for any counts at all: properties that hypothesis tries to break."""

from __future__ import annotations

from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from helpers import CONTAINERS, assert_same, dense
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lowdepth as ld
from lowdepth.thinning import thin_counts

DTYPES = [np.uint8, np.int32, np.int64, np.float32, np.float64]

keys = st.integers(0, 2**64 - 1).map(np.uint64)
probabilities = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def matrices(draw, max_count=255):
    """Draw counts of any shape, sparse or full, in any dtype, small counts and large ones."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    count = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, max_count))
    return draw(hnp.arrays(np.int64, shape, elements=count)).astype(draw(st.sampled_from(DTYPES)))


@st.composite
def thinnings(draw):
    counts = draw(matrices())
    keep = draw(hnp.arrays(np.float64, len(counts), elements=probabilities))
    overdispersion = draw(hnp.arrays(np.float64, counts.shape[1], elements=st.sampled_from([0.0, 0.1, 5.0])))
    return counts, keep, draw(keys), overdispersion


@given(thinnings(), st.sampled_from(sorted(CONTAINERS)))
def test_thinned_counts_are_counts(thinning, container):
    counts, keep, key, overdispersion = thinning
    stored = CONTAINERS[container](counts)
    thinned = thin_counts(stored, keep, key, overdispersion=overdispersion)
    assert_same(CONTAINERS[container](counts), stored)
    assert (type(thinned), thinned.dtype, thinned.shape) == (type(stored), stored.dtype, stored.shape)
    assert (dense(thinned) >= 0).all()
    assert (dense(thinned) <= dense(counts)).all()
    np.testing.assert_array_equal(dense(thinned)[keep == 1], counts[keep == 1])
    np.testing.assert_array_equal(dense(thinned)[keep == 0], 0)
    if sp.issparse(thinned):
        assert (thinned.data > 0).all()


@given(thinnings(), st.sampled_from(sorted(CONTAINERS)), st.sampled_from(DTYPES))
def test_the_draw_knows_neither_container_nor_dtype(thinning, container, dtype):
    counts, keep, key, overdispersion = thinning
    other = thin_counts(CONTAINERS[container](counts.astype(dtype)), keep, key, overdispersion=overdispersion)
    np.testing.assert_array_equal(dense(other), dense(thin_counts(counts, keep, key, overdispersion=overdispersion)))


@given(thinnings(), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=20)
def test_the_draw_does_not_know_the_chunks(thinning, rows, cols):
    counts, keep, key, overdispersion = thinning
    blocks = da.from_array(counts, chunks=(rows, cols))
    lazy = thin_counts(blocks, keep, key, overdispersion=overdispersion).compute(scheduler="synchronous")
    np.testing.assert_array_equal(lazy, thin_counts(counts, keep, key, overdispersion=overdispersion))


@given(thinnings(), st.randoms(use_true_random=False))
def test_the_draw_does_not_know_the_order_of_storage(thinning, random):
    counts, keep, key, overdispersion = thinning
    rows, cols = (indices.astype(np.int32) for indices in counts.nonzero())
    order = random.sample(range(len(rows)), len(rows))
    shuffled = sp.coo_array((counts[rows, cols][order], (rows[order], cols[order])), counts.shape).tocsr()
    thinned = thin_counts(shuffled, keep, key, overdispersion=overdispersion)
    np.testing.assert_array_equal(dense(thinned), dense(thin_counts(counts, keep, key, overdispersion=overdispersion)))


@given(thinnings())
def test_a_cell_does_not_know_the_others(thinning):
    counts, keep, key, overdispersion = thinning
    alone = thin_counts(counts[:1], keep[:1], key, overdispersion=overdispersion)
    np.testing.assert_array_equal(alone, thin_counts(counts, keep, key, overdispersion=overdispersion)[:1])


@given(thinnings())
def test_all_kept_again_and_again(thinning):
    counts, keep, key, _ = thinning
    once = thin_counts(counts, keep, key)
    np.testing.assert_array_equal(thin_counts(once, np.ones(len(once)), key), once)
    np.testing.assert_array_equal(thin_counts(counts, np.ones(len(once)), key), counts)


@given(matrices(max_count=20), keys, st.lists(st.floats(0, 0.5), min_size=2, max_size=5))
def test_more_is_kept_with_a_higher_probability(counts, key, shares):
    # below n * p = 10 and p = 1/2 a draw inverts the distribution function at the same uniform
    kept = [dense(thin_counts(counts.clip(max=19), np.full(len(counts), p), key)) for p in sorted(shares)]
    for less, more in pairwise(kept):
        assert (less <= more).all()


@given(matrices(), st.floats(0.01, 0.99), st.integers(0, 2**32), st.sampled_from(sorted(CONTAINERS)))
def test_folds_add_up(counts, fraction, seed, container):
    adata = AnnData(CONTAINERS[container](counts))
    ld.pp.split_counts(adata, fraction, rng=seed)
    np.testing.assert_array_equal(dense(adata.layers["split_a"]) + dense(adata.layers["split_b"]), counts)


@given(matrices(), st.floats(0.5, 500), st.integers(0, 2**32))
def test_cells_at_or_below_target_stay(counts, target, seed):
    adata = AnnData(counts)
    ld.pp.thin_to_depth(adata, target, rng=seed)
    shallow = dense(counts).sum(1) <= target
    np.testing.assert_array_equal(adata.X[shallow], counts[shallow])


@pytest.mark.parametrize("container", CONTAINERS)
@given(matrices(), st.floats(0, 2000))
@settings(max_examples=20)
def test_metrics_are_numpys(container, counts, low_umi):
    adata = AnnData(CONTAINERS[container](counts))
    ld.pp.depth_metrics(adata, low_umi=low_umi)
    np.testing.assert_array_equal(adata.obs["total_umi"], dense(counts).sum(1))
    np.testing.assert_array_equal(adata.obs["n_genes"], (counts > 0).sum(1))
    np.testing.assert_array_equal(adata.obs["low_umi"], dense(counts).sum(1) < low_umi)
