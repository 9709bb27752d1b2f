"""Raw evidence against what it is made of: weights of the refinement, and votes counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import counts_adata

import lowdepth as ld
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._refinement._residuals import Pools, pool
from lowdepth.tl._transfer import _posterior_labels as module
from lowdepth.tl._transfer._evidence import log_votes, without_own
from lowdepth.tl._transfer._material import gather

LOW_UMI = 200


@pytest.fixture(scope="module")
def adata():
    return counts_adata(120)


@pytest.fixture(scope="module")
def model(adata):
    return ld.tl.joint_embedding(
        adata, batch_key="batch", n_latent=4, max_epochs=5, batch_size=32, low_umi=LOW_UMI, progress_bar=False
    )


@pytest.fixture(scope="module")
def shallow(adata):
    shallow = np.asarray(adata.X.sum(1)).ravel() < LOW_UMI
    assert (~shallow).sum() <= 100, "the refinement stores 100 weights a cell"
    return shallow


@pytest.fixture(scope="module")
def material(adata, model, shallow):
    cells = ModelCells(adata.X, adata.obs, adata.var)
    return gather(
        cells.take(np.flatnonzero(shallow)),
        cells.take(np.flatnonzero(~shallow)),
        model,
        codes=adata.obs["cell_type"].cat.codes.to_numpy().astype(np.int64)[~shallow],
        n_types=3,
        n_references=5000,
        seed=0,
    )


def test_posterior_labels_sum_up_the_weights_of_the_refinement(adata, model, shallow, material, monkeypatch):
    def log_loss(held_out):
        rows = np.arange(len(material.rows))
        return -held_out.evidence.log_probability[rows, material.codes[material.rows]].mean()

    compared = []
    tempered, _ = module.posterior_labels(material, model, compared.append)
    assert sum(compared) == shallow.sum()
    monkeypatch.setattr(module._Judge, "fit", lambda *_: None)
    held_out, evidence = module.posterior_labels(material, model, compared.append)
    assert log_loss(tempered) <= log_loss(held_out)
    np.testing.assert_array_equal(held_out.evidence.total_umi, material.held_out.total_umi)

    ld.tl.refine_low_umi(adata, model, low_umi=LOW_UMI, store_weights=True)
    weights = adata.obsp["joint_embedding_refined_weights"][shallow]
    codes = adata.obs["cell_type"].cat.codes
    np.testing.assert_allclose(np.exp(evidence.log_probability), weights @ np.eye(3)[codes], atol=1e-4)


def test_held_out_cells_are_judged_without_their_own_counts(model, material, monkeypatch):
    """What is pooled from the half that a held-out cell is in does not change what is said of it."""

    def judged(changed):
        def pooled(*arguments):
            pools = pool(*arguments)
            if changed is not None:
                pools.observed[changed] = torch.rand_like(pools.observed[changed])
            own_half.append(pools.half)
            return pools

        own_half = []
        monkeypatch.setattr(module, "pool", pooled)
        held_out, _ = module.posterior_labels(material, model, lambda _: None)
        place = np.searchsorted(material.references.cells, material.rows)
        return held_out.evidence.log_probability, own_half[0][place]

    monkeypatch.setattr(module._Judge, "fit", lambda *_: None)
    monkeypatch.setattr(Pools, "concentration", 30.0)  # which all counts would have a say in
    expected, half = judged(None)
    for changed in (0, 1):
        found, _ = judged(changed)
        np.testing.assert_array_equal(found[half == changed], expected[half == changed])
        assert not np.isclose(found[half != changed], expected[half != changed], atol=1e-3).all()


def test_votes_by_hand():
    neighbors = np.array([[0, 1], [2, 2]])
    observed = log_votes(neighbors, np.array([1, 0, 0]), np.array([2.0, 1.0, 4.0]), np.array([0.75, 0.25, 0.0]))
    np.testing.assert_allclose(np.exp(observed), [[1.75 / 4, 2.25 / 4, 0], [8.75 / 9, 0.25 / 9, 0]])


def test_own_copies_are_passed_over_in_order():
    neighbors = np.array([[4, 9, 4, 2, 7], [1, 2, 3, 4, 5]])
    observed = without_own(neighbors, neighbors == 4, 3)
    np.testing.assert_array_equal(observed, [[9, 2, 7], [1, 2, 3]])
