"""scanpy goes on from our embeddings, with the versions that are installed together with us."""

from __future__ import annotations

import anndata as ad
import numpy as np
import scanpy as sc


def test_neighbours_of_more_cells_than_scanpy_searches_exactly():
    n_obs = 8200  # above 8,192 scanpy takes pynndescent
    adata = ad.AnnData(np.zeros((n_obs, 1), np.float32))
    adata.obsm["X_joint_embedding"] = np.random.default_rng(0).normal(size=(n_obs, 3)).astype(np.float32)
    sc.pp.neighbors(adata, use_rep="X_joint_embedding")
    assert (adata.obsp["connectivities"].sum(axis=1) > 0).all()
