"""Counts of some cells on their non-zeros: nothing is lost on the way from a CSR matrix to the tensors."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lowdepth.model.engine import SparseCounts, take_rows

VALUES = [np.uint8, np.uint16, np.int32, np.int64, np.float32, np.float64]
INDICES = [np.int32, np.int64]

matrices = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 8), st.integers(1, 10)),
    elements=st.one_of(st.just(0), st.integers(0, 250)),
)


def csr(counts, value=np.float32, index=np.int32):
    matrix = sp.csr_array(counts.astype(value))
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    return matrix


def sparse(counts):
    return take_rows(csr(counts), np.arange(len(counts)))


@settings(deadline=None)
@given(counts=matrices, data=st.data(), value=st.sampled_from(VALUES), index=st.sampled_from(INDICES))
def test_take_rows_of_any_matrix(counts, data, value, index):
    chosen = np.array(data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=12)), np.int64)
    taken = take_rows(csr(counts, value, index), chosen)
    np.testing.assert_array_equal(taken.dense(), counts[chosen])
    assert (taken.n_obs, taken.n_vars) == (len(chosen), counts.shape[1])
    assert (taken.values.dtype, taken.columns.dtype, taken.row_starts.dtype) == (
        torch.float32,
        torch.int32,
        torch.int64,
    )

    there = sparse(counts).take_rows(torch.from_numpy(chosen), len(taken.values))
    for part in ("values", "columns", "row_starts"):
        torch.testing.assert_close(getattr(there, part), getattr(taken, part), rtol=0, atol=0)


@settings(deadline=None)
@given(counts=matrices, data=st.data(), value=st.sampled_from(VALUES), index=st.sampled_from(INDICES))
def test_neighbours_are_copied_only_where_torch_needs_it(counts, data, value, index):
    chosen = np.arange(*sorted(data.draw(st.tuples(*[st.integers(0, len(counts))] * 2))))
    matrix = csr(counts, value, index)
    matrix.data.flags.writeable = is_ours = data.draw(st.booleans())
    taken = take_rows(matrix, chosen)
    np.testing.assert_array_equal(taken.dense(), counts[chosen])
    # no memory is shared where there is none
    assert np.shares_memory(taken.values, matrix.data) == (value == np.float32 and is_ours and len(taken.values) > 0)


@settings(deadline=None)
@given(counts=matrices)
def test_parts(counts):
    cells = sparse(counts)
    np.testing.assert_array_equal(cells.total(), counts.sum(1))
    np.testing.assert_array_equal(cells.rows, counts.nonzero()[0])
    np.testing.assert_array_equal(cells.columns, counts.nonzero()[1])
    np.testing.assert_array_equal(cells.dense(cells.values + 1), np.where(counts > 0, counts + 1, 0))
    for dtype in (torch.float32, torch.float64):
        squares = cells.sum_by_cell(cells.values.to(dtype).square())
        assert squares.dtype == dtype
        np.testing.assert_array_equal(squares, (counts**2).sum(1))


@settings(deadline=None)
@given(counts=matrices)
def test_from_dense(counts):
    cells, expected = SparseCounts.from_dense(torch.tensor(counts, dtype=torch.float32)), sparse(counts)
    assert cells.n_vars == expected.n_vars
    for part in ("values", "columns", "row_starts"):
        torch.testing.assert_close(getattr(cells, part), getattr(expected, part), rtol=0, atol=0)


@settings(deadline=None)
@given(counts=matrices, data=st.data())
def test_between(counts, data):
    start = data.draw(st.integers(0, len(counts)))
    stop = data.draw(st.integers(start, len(counts)))
    cells = sparse(counts)
    run = cells.between(slice(start, stop))
    np.testing.assert_array_equal(run.dense(), counts[start:stop])
    assert np.shares_memory(run.values.numpy(), cells.values.numpy()) or len(run.values) == 0
    np.testing.assert_array_equal(run.total(), counts[start:stop].sum(1))


def test_stored_zeros_stay():
    matrix = sp.csr_array((np.array([0.0, 3.0, 0.0]), np.array([1, 2, 0]), np.array([0, 2, 2, 3])), shape=(3, 4))
    cells = take_rows(matrix, np.array([2, 0]))
    assert cells.values.tolist() == [0, 0, 3]
    assert cells.total().tolist() == [0, 3]
    np.testing.assert_array_equal(cells.dense(), matrix.toarray()[[2, 0]])


def test_cells_and_genes_beyond_the_reach_of_small_integers():
    # 70,000 genes do not fit uint16, and a uint16 count has to become a float before it is added to another
    matrix = sp.csr_array(([65_535, 65_535], ([0, 0], [69_998, 69_999])), shape=(1, 70_000), dtype=np.uint16)
    cells = take_rows(matrix, np.array([0]))
    assert cells.columns.tolist() == [69_998, 69_999]
    assert cells.total().tolist() == [131_070]


def test_deep_totals_are_exact():
    counts = np.ones((1, 200_000), np.int64)
    assert sparse(counts).total().item() == 200_000


def test_to_moves_every_part():
    cells = sparse(np.eye(3, dtype=np.int64))
    moved = cells.to(torch.device("meta"), non_blocking=True)
    assert isinstance(moved, SparseCounts)
    assert {part.device.type for part in (moved.values, moved.columns, moved.row_starts)} == {"meta"}
    assert moved.n_vars == 3


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_as_many_threads_as_one_likes():
    matrix = csr(np.random.default_rng(0).poisson(0.5, (300, 50)))
    results = []
    for n_threads in (1, 2):
        before = numba.get_num_threads()
        numba.set_num_threads(n_threads)
        try:
            results.append(take_rows(matrix, np.arange(300)[::-1]))
        finally:
            numba.set_num_threads(before)
    assert torch.equal(results[0].values, results[1].values)
    assert torch.equal(results[0].total(), results[1].total())
