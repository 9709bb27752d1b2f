"""A device that is not there is said so before any work, by whatever takes the name of one."""

from __future__ import annotations

import pytest
import torch
from helpers import assert_unchanged, counts_adata
from stores import content, written

import lowdepth as ld
from lowdepth.model._accelerator import check_accelerator

TRAINING = {"max_epochs": 1, "n_latent": 4, "low_umi": 100, "progress_bar": False}


@pytest.fixture
def machine(monkeypatch):
    """Give torch the GPUs that are named."""

    def has(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    has()
    return has


@pytest.fixture(scope="module")
def model():
    return ld.tl.joint_embedding(counts_adata(80), accelerator="cpu", **TRAINING)


def refused(accelerator):
    return pytest.raises(ValueError, match=f"`accelerator='{accelerator}'`: torch .* sees no such device.*'cpu'")


@pytest.mark.parametrize(
    ("there", "missing"), [([], ["cuda", "gpu", "mps"]), (["cuda"], ["mps"]), (["mps"], ["cuda"])], ids=str
)
def test_each_kind_is_told_from_the_others(machine, there, missing):
    machine(*there)
    for accelerator in {"auto", "cpu", "cuda", "gpu", "mps", torch.device("cpu")} - set(missing):
        check_accelerator(accelerator)
    for accelerator in missing:
        with refused(accelerator):
            check_accelerator(accelerator)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    "function",
    [
        lambda adata, _: ld.tl.joint_embedding(adata, accelerator="gpu", **TRAINING),
        lambda adata, _: ld.tl.compare(adata, "cell_type", accelerator="gpu", progress_bar=False),
        lambda adata, model: ld.tl.map_query(adata, model, surgery=True, accelerator="gpu"),
        lambda _, model: model.train(max_epochs=1, accelerator="gpu"),
        lambda adata, model: type(model).load_query_data(adata, model, accelerator="gpu"),
    ],
    ids=["joint_embedding", "compare", "map_query", "train", "load_query_data"],
)
def test_functions_refuse_and_leave_adata_unchanged(model, function):
    adata = counts_adata(80)
    with assert_unchanged(adata), assert_unchanged(model.adata), refused("gpu"):
        function(adata, model)


@pytest.mark.usefixtures("machine")
def test_nothing_is_shuffled(tmp_path):
    path = written(counts_adata(80), tmp_path / "cells.h5ad")
    before = content(path)
    with refused("gpu"):
        ld.tl.joint_embedding(path, accelerator="gpu", **TRAINING)
    assert content(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("machine")
def test_models_are_not_loaded(tmp_path, model):
    model.save(tmp_path / "model", save_anndata=True)
    with refused("gpu"):
        ld.model.JointEmbedding.load(tmp_path / "model", accelerator="gpu")
