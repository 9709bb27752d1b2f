"""scanpy goes on from our embeddings, with the versions that are installed together with us."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from finished_cells import cells
from scipy.sparse.csgraph import connected_components

EMBEDDINGS = ["X_joint_embedding", "X_joint_embedding_refined"]


@pytest.mark.slow
def test_neighbours_of_more_cells_than_scanpy_searches_exactly():
    n_obs = 8200  # above 8,192 scanpy takes pynndescent
    adata = ad.AnnData(np.zeros((n_obs, 1), np.float32))
    adata.obsm["X_joint_embedding"] = np.random.default_rng(0).normal(size=(n_obs, 3)).astype(np.float32)
    sc.pp.neighbors(adata, use_rep="X_joint_embedding")
    assert (adata.obsp["connectivities"].sum(axis=1) > 0).all()


@pytest.mark.parametrize("use_rep", EMBEDDINGS)
def test_clusters_and_pseudotime(use_rep):
    """CellRank's kernels start from this graph and this pseudotime."""
    adata, _ = cells()
    sc.pp.neighbors(adata, n_neighbors=10, use_rep=use_rep)
    sc.tl.leiden(adata, flavor="igraph", n_iterations=2)
    sc.tl.diffmap(adata, n_comps=5)
    adata.uns["iroot"] = 0
    sc.tl.dpt(adata, n_dcs=5)
    assert adata.obs["leiden"].notna().all()
    assert adata.obs["dpt_pseudotime"].iloc[0] == 0
    _, component = connected_components(adata.obsp["connectivities"])
    reached = component == component[0]
    assert reached.sum() > 10
    np.testing.assert_array_equal(adata.obs["dpt_pseudotime"].between(0, 1), reached)  # infinite in the others
