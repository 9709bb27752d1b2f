"""No two cells, genes or folds share their luck; and the field's usual shortcut, which would fail here."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

from lowdepth.thinning import thin_counts

N_OBS, N_VARS, DEPTH = 100, 2000, 20_000


def identical_cells():
    profile = np.random.default_rng(0).gamma(0.5, size=N_VARS)
    one = np.random.default_rng(1).poisson(profile / profile.sum() * DEPTH)
    return np.tile(one, (N_OBS, 1)).astype(np.float32)


def mean_correlation(residuals):
    """Average the correlations of all pairs of rows."""
    correlations = np.corrcoef(residuals)
    return correlations[np.triu_indices(len(correlations), 1)].mean()


def test_identical_cells_lose_different_umis():
    cells = identical_cells()
    thinned = thin_counts(sp.csr_matrix(cells), np.full(N_OBS, 0.1), np.uint64(3)).toarray()
    residuals = thinned - 0.1 * cells
    # 4,950 pairs of 2,000 genes: the standard error of the mean is below 0.0006, even though few genes dominate
    assert abs(mean_correlation(residuals)) < 0.003
    # neighbours alone: a stream that a shift would align with the next cell's shows here
    shifted = [np.corrcoef(a, b)[0, 1] for a, b in pairwise(residuals)]
    assert abs(np.mean(shifted)) < 5 / np.sqrt(N_VARS * (N_OBS - 1) / 4)


def test_genes_lose_different_umis():
    counts = np.full((5000, 60), 8)
    residuals = thin_counts(counts, np.full(5000, 0.3), np.uint64(4)).T - 2.4
    correlations = np.corrcoef(residuals)[np.triu_indices(60, 1)]
    # 1,770 correlations with a standard error of 1 / sqrt(5000): six of them are passed once in 280,000 runs
    assert np.abs(correlations).max() < 6 / np.sqrt(5000)


def test_a_seed_shared_by_all_cells_would_fail():
    cells = identical_cells()
    adata = AnnData(sp.csr_matrix(cells))
    sc.pp.downsample_counts(adata, counts_per_cell=int(cells[0].sum() * 0.1), random_state=0)
    assert mean_correlation(adata.X.toarray() - 0.1 * cells) > 0.1


def test_kept_and_lost_counts_of_poisson_genes_are_independent():
    counts = np.random.default_rng(0).poisson(10.0, (100_000, 3))
    kept = thin_counts(counts, np.full(len(counts), 0.4), np.uint64(9))
    for gene in range(3):
        # standard error 1 / sqrt(100,000) = 0.0032; five of them
        assert abs(np.corrcoef(kept[:, gene], (counts - kept)[:, gene])[0, 1]) < 5 / np.sqrt(100_000)
