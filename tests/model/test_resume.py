"""A training that was interrupted goes on as if it had not been."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import counts_adata
from lightning.pytorch.callbacks import Callback
from stores import written

from lowdepth.model import JointEmbedding, StoredCells
from lowdepth.model._seed import seeded


class Interrupted(Exception):
    pass


class Interrupt(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.current_epoch == 2:
            raise Interrupted


def cells_in_memory(folder):
    adata = counts_adata(100)
    JointEmbedding.setup_anndata(adata, batch_key="batch")
    return adata


def cells_on_disk(folder):
    return StoredCells(written(counts_adata(100), folder / "cells.zarr"), batch_key="batch", progress_bar=False)


def train(cells, checkpoint, *callbacks, **options):
    with seeded(0):
        model = JointEmbedding(cells, n_latent=4, n_hidden=16)
        model.train(
            max_epochs=4,
            batch_size=30,
            accelerator="cpu",
            enable_progress_bar=False,
            checkpoint=checkpoint,
            callbacks=list(callbacks),
            **options,
        )
    return model


def interrupted_and_not(cells, folder, train_size):
    whole = train(cells, folder / "whole.ckpt", train_size=train_size)
    with pytest.raises(Interrupted):
        train(cells, folder / "cut.ckpt", Interrupt(), train_size=train_size)
    return whole, train(cells, folder / "cut.ckpt", train_size=train_size)


@pytest.mark.parametrize("train_size", [1.0, 0.8])
def test_it_ends_with_the_same_weights_and_the_whole_history(tmp_path, train_size):
    whole, resumed = interrupted_and_not(cells_on_disk(tmp_path), tmp_path, train_size)
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert set(whole.history) == set(resumed.history)
    for name, losses in whole.history.items():
        pd.testing.assert_frame_equal(losses.astype(float), resumed.history[name].astype(float), check_index_type=False)
    np.testing.assert_array_equal(whole.get_latent_representation(), resumed.get_latent_representation())


def test_in_memory_it_goes_on_with_minibatches_in_another_order(tmp_path):
    whole, resumed = (
        pd.concat(model.history.values(), axis="columns").astype(float)
        for model in interrupted_and_not(cells_in_memory(tmp_path), tmp_path, 0.8)
    )
    resumed = resumed[whole.columns]
    np.testing.assert_array_equal(whole.iloc[:2], resumed.iloc[:2])
    np.testing.assert_allclose(whole["train_loss"], resumed["train_loss"], rtol=0.05)


def test_the_file_runs_no_code(tmp_path):
    path = tmp_path / "state.ckpt"
    train(cells_in_memory(tmp_path), path)
    assert torch.load(path, weights_only=True)["epoch"] == 3
    assert list(tmp_path.iterdir()) == [path]
