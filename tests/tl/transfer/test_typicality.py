"""Cells of a type that the reference lacks are unlike the labelled cells of their depth; others are like them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import counts_adata
from scipy.stats import kstest

import lowdepth as ld
from lowdepth.tl._transfer import _typicality as module

# one test worker trains
pytestmark = pytest.mark.xdist_group("typicality")

LOW_UMI = 200


@pytest.fixture(scope="module")
def trained():
    adata = counts_adata(600)
    model = ld.tl.joint_embedding(
        adata, batch_key="batch", n_latent=4, max_epochs=10, batch_size=32, low_umi=LOW_UMI, progress_bar=False
    )
    return adata, model


def p_values(adata, model):
    ld.tl.label_transfer(adata, "cell_type", model=model, method="knn", low_umi=LOW_UMI)
    return adata.obs["label_transfer_typicality"].to_numpy()


def test_cells_of_known_types_are_typical(trained):
    adata, model = trained[0].copy(), trained[1]
    p = p_values(adata, model)
    shallow = np.asarray(adata.X.sum(1)).ravel() < LOW_UMI
    assert np.isnan(p[~shallow]).all()
    # held-out cells are thinned by chance, not in their preparation: close to uniform, not exactly
    assert kstest(p[shallow], "uniform").statistic < 0.2


@pytest.mark.parametrize("left_out", range(3))
def test_cells_of_a_type_that_was_left_out_are_not(trained, left_out):
    adata, model = trained
    own = adata.obs["cell_type"].cat.codes.to_numpy() == left_out
    total = np.asarray(adata.X.sum(1)).ravel()
    rest = adata[~own | (total < LOW_UMI)].copy()
    p = p_values(rest, model)
    own = rest.obs["cell_type"].cat.codes.to_numpy() == left_out
    shallow = np.isfinite(p)
    auroc = (p[own & shallow][:, np.newaxis] < p[~own & shallow]).mean()
    ties = (p[own & shallow][:, np.newaxis] == p[~own & shallow]).mean()
    assert auroc + ties / 2 > 0.9


def test_ranks_are_among_peers_of_the_same_depth(monkeypatch):
    monkeypatch.setattr(module, "N_PEERS", 4)
    depth = np.repeat([1.0, 2.0], 4)
    of_peers = np.array([1.0, 2.0, 3.0, 4.0, 11.0, 12.0, 13.0, 14.0])
    value, at = np.array([2.5, 2.5, 13.0, 99.0]), np.array([0.5, 2.5, 2.5, 0.5])
    np.testing.assert_allclose(module._share_above(value, at, of_peers, depth), [3 / 5, 1, 3 / 5, 1 / 5])
