"""Minibatches from the disk: each cell once in each epoch, split and shuffled at random."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from helpers import counts_adata, dense
from scipy.stats import kstest
from stores import written

from lowdepth.model import StoredCells
from lowdepth.model.stored import _stream

N_OBS = 500


@pytest.fixture(scope="module")
def adata():
    adata = counts_adata(N_OBS)
    adata.obs["cell"] = np.arange(N_OBS)
    return adata


@pytest.fixture(scope="module")
def cells(adata, tmp_path_factory):
    path = written(adata, tmp_path_factory.mktemp("stream") / "cells.zarr")
    # a covariate that names each cell
    return StoredCells(path, batch_key="batch", continuous_covariate_keys=["cell"], progress_bar=False)


def streamed(cells, **options):
    return cells.stream(cells.registry, **{"batch_size": 64, "train_size": 1.0} | options)


def cells_of(minibatches):
    return [batch["extra_continuous_covs"].ravel().int().tolist() for batch in minibatches]


def test_each_epoch_has_each_cell_once(cells, adata):
    minibatches = streamed(cells).train_dataloader()
    batches = list(minibatches)
    order = np.concatenate(cells_of(batches))
    assert len(batches) == len(minibatches) == 8
    assert [batch["X"].n_obs for batch in batches] == [64] * 7 + [52]
    assert sorted(order) == list(range(N_OBS))
    counts = np.concatenate([dense(batch["X"].dense().numpy()) for batch in batches])
    np.testing.assert_array_equal(counts, dense(adata.X)[order])
    batch_codes = np.concatenate([batch["batch"].ravel() for batch in batches])
    np.testing.assert_array_equal(batch_codes, adata.obs["batch"].cat.codes.to_numpy()[order])


def test_the_order_is_new_in_each_epoch_and_follows_the_seed(cells):
    minibatches = streamed(cells).train_dataloader()
    torch.manual_seed(0)
    first, second = cells_of(minibatches), cells_of(minibatches)
    torch.manual_seed(0)
    again = cells_of(minibatches)
    assert first == again != second


def test_the_split_is_a_random_one_without_overlap(cells):
    stream = streamed(cells, train_size=0.8)
    train, held_out = (np.concatenate(cells_of(part)) for part in (stream.train_dataloader(), stream.val_dataloader()))
    assert (len(train), len(held_out)) == (stream.n_train, stream.n_val) == (400, 100)
    assert sorted([*train, *held_out]) == list(range(N_OBS))
    # in the user's order and in that on the disk, cells that are held out are spread evenly
    places = np.argsort(cells.collection.cells)[held_out]
    for positions in (held_out, places):
        assert kstest(positions, "uniform", (0, N_OBS)).pvalue > 1e-4
        assert np.ptp(positions) > 300


def test_the_split_follows_the_seed(cells):
    parts = [
        _stream.StreamedCells(
            cells.collection, cells.encoded(cells.registry), batch_size=64, train_size=0.8, seed=seed
        ).validation_runs
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert (parts[0] != parts[2]).any()


def test_held_out_cells_keep_their_order(cells):
    minibatches = streamed(cells, train_size=0.8).val_dataloader()
    assert cells_of(minibatches) == cells_of(minibatches)


def test_none_are_held_out(cells):
    assert streamed(cells).val_dataloader() == []


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(499, [499]), (498, [498]), (497, [497, 3]), (500, [500]), (600, [500])]
)
def test_one_or_two_cells_are_left_out_where_batch_norm_would_fail(cells, batch_size, sizes):
    minibatches = streamed(cells, batch_size=batch_size).train_dataloader()
    assert [len(batch) for batch in cells_of(minibatches)] == sizes
    assert len(minibatches) == len(sizes)


@pytest.mark.parametrize("batch_size", [7, 64, 300])
def test_cells_are_dealt_out_wherever_reading_is_cut(cells, batch_size):
    with patch.object(_stream, "CELLS_IN_MEMORY", 8 * _stream.LONGEST_RUN):  # eight runs at a time
        sizes = [len(batch) for batch in cells_of(streamed(cells, batch_size=batch_size).train_dataloader())]
    full, rest = divmod(N_OBS, batch_size)
    assert sizes == [batch_size] * full + [rest] * (rest > 2)
