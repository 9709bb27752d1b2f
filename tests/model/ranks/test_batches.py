"""Each cell goes to one process; all have the same number of minibatches of the same size."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from lowdepth.model.ranks._batches import JoinedBatches


def shares(n_cells, n_ranks, batch_size, *, shuffle=True, seed=0, epoch=0):
    """Read the minibatches of all processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.distributed, "get_world_size", lambda: n_ranks)
        for rank in range(n_ranks):
            patch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
            sampler = JoinedBatches(range(n_cells), batch_size=batch_size, shuffle=shuffle, seed=seed)
            sampler.set_epoch(epoch)
            batches = list(sampler)
            assert len(batches) == len(sampler)
            yield batches


@given(
    n_cells=st.integers(1, 300),
    n_ranks=st.integers(1, 5),
    batch_size=st.integers(2, 40),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_cells_are_shared_out(n_cells, n_ranks, batch_size, shuffle, seed):
    assume(n_cells >= n_ranks)
    ranks = list(shares(n_cells, n_ranks, batch_size, shuffle=shuffle, seed=seed))
    assert {len(batches) for batches in ranks} == {ceil(n_cells / (batch_size * n_ranks))}
    sizes = [len(batch) for batches in ranks for batch in batches]
    assert 1 <= min(sizes) <= max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    seen = np.concatenate([batch for batches in ranks for batch in batches])
    np.testing.assert_array_equal(np.sort(seen), np.arange(n_cells))


def test_order_follows_seed_and_epoch():
    orders = [
        list(shares(60, 2, 8, seed=seed, epoch=epoch)) for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    assert orders[0] == orders[1]
    assert all(orders[0] != other for other in orders[2:])
    assert orders[2] != orders[3]


def test_order_of_the_data():
    assert list(shares(6, 2, 2, shuffle=False)) == [[[0, 2], [3, 5]], [[1], [4]]]


def test_more_processes_than_cells():
    with pytest.raises(ValueError, match=r"3 devices cannot share 2 cells .*batch_size=8.*fewer devices"):
        list(shares(2, 3, 8))
