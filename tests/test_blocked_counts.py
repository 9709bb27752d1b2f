"""Portions of a dask array: all rows asked for, each block once, cut in places that the blocks do not decide."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from helpers import counts_adata
from hypothesis import given, settings
from hypothesis import strategies as st

from lowdepth import _blocked_counts as module
from lowdepth._blocked_counts import BlockedCounts

COUNTS = counts_adata(70).X
UNIT, MOST = 8, 4000


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(module, "CELLS_AT_A_TIME", UNIT)
    monkeypatch.setattr(module, "UMIS_AT_A_TIME", MOST)
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("chunks", [(70, 40), (9, 40), (70, 7), (1, 40), ((3, 60, 7), (39, 1))])
def test_portions_hold_the_rows_asked_for(container, chunks):
    rows = np.random.default_rng(0).integers(0, 70, 50)
    counts = BlockedCounts.of(da.from_array(container(COUNTS.toarray()), chunks=chunks))[rows]
    dense = COUNTS.toarray()
    np.testing.assert_array_equal(counts.total_umi, dense[rows].sum(1))
    np.testing.assert_array_equal(counts.load().toarray(), dense[rows])
    np.testing.assert_array_equal(counts.lazy().compute().toarray(), dense[rows])
    seen = []
    for portion in counts.portions():
        np.testing.assert_array_equal(portion.counts[portion.rows].toarray(), dense[rows[portion.positions]])
        assert portion.counts.has_canonical_format
        assert portion.counts.sum() <= MOST or len(portion.rows) <= UNIT
        seen.append(portion.positions)
    assert [len(positions) % UNIT for positions in seen[:-1]] == [0] * (len(seen) - 1)
    assert (np.diff(rows[np.concatenate(seen)]) >= 0).all(), "in the order of the array, so that each block comes once"
    assert sorted(np.concatenate(seen)) == list(range(50))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1).filter(lambda sizes: sum(sizes) >= 70))
def test_where_portions_end_does_not_depend_on_the_blocks(sizes):
    ends = np.minimum(np.cumsum(sizes), 70)
    chunks = tuple(int(size) for size in np.diff(ends, prepend=0) if size)

    def ends_of(counts):
        return [len(portion.rows) for portion in counts.portions()]

    expected = ends_of(BlockedCounts.of(da.from_array(COUNTS, chunks=(70, 40))))
    assert ends_of(BlockedCounts.of(da.from_array(COUNTS, chunks=(chunks, 40)))) == expected


def test_each_block_is_computed_once_and_only_where_it_is_needed():
    computed = []

    def note(block, block_info):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    blocks = da.from_array(COUNTS, chunks=(10, 40))
    counts = BlockedCounts.of(blocks.map_blocks(note, dtype=blocks.dtype, meta=blocks._meta))
    assert sorted(computed) == list(range(7))
    computed.clear()
    assert len(list(counts[np.array([3, 25, 26, 69])].portions())) == 1
    assert sorted(computed) == [0, 2, 6]
    computed.clear()
    assert len(list(counts.portions())) > 3
    assert sorted(computed) == list(range(7))
