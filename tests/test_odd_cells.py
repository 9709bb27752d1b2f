"""Cells at the limits of what counts can be, through every step: finite results, or an error that names the cause."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from finished_cells import ARGUMENTS, LOW_UMI, call
from helpers import assert_unchanged, counts_adata, dense
from slots import changed, slots

from lowdepth._umi_totals import row_sums
from lowdepth.model.engine import take_rows

OPTIONS = {
    "pp.thin_to_depth": {"key_added": "thinned"},
    "pp.emulate_low_depth": {"min_umi": 1, "copy": True},
    "pp.filter_low_umi": {"min_umi": 1},
    "tl.label_transfer by votes": {"n_neighbors": 3},
    "tl.umap": {"n_neighbors": 3},
}
STEPS = [name for name in ARGUMENTS if name.startswith(("pp.", "tl."))]


def deep(adata):
    return (adata.obs["total_umi"] >= LOW_UMI).to_numpy()


def not_reached(adata):
    depths = adata.uns["thinning_stability"]["params"]["depths"]
    return adata.obs["total_umi"].to_numpy()[:, None] <= np.asarray(depths)


NEEDS = {name: {"tl.joint_embedding"} for name in STEPS if name.startswith("tl.")} | {
    "tl.joint_embedding": set(),
    "tl.prediction_sets": {"tl.joint_embedding", "tl.label_transfer"},
    "tl.compare": set(),
}
"""Steps that a step builds on."""

MISSING = {
    "obs/joint_embedding_refined_n_references": deep,
    "obs/joint_embedding_refined_entropy": deep,
    "obs/label_transfer_typicality": deep,
    "obsm/thinning_stability_spread": not_reached,
    "obsm/thinning_stability_path": lambda adata: np.column_stack([np.zeros(adata.n_obs, bool), not_reached(adata)]),
}
"""Where nothing can be said by design, as docstrings have it."""


def with_counts(change):
    """Change the dense counts."""

    def make():
        adata = counts_adata()
        counts = adata.X.toarray()
        adata.X = sp.csr_matrix(change(counts, np.arange(len(counts))))
        return adata

    return make


def one_umi(counts, cell):
    counts[cell % 6 == 0] = 0
    counts[cell % 6 == 0, 7] = 1
    return counts


def ten_million_umis(counts, cell):
    counts[:5] = np.floor(counts[:5] * (1e7 / counts[:5].sum(axis=1, keepdims=True)))
    counts[5] = 0
    counts[5, 3] = 10_000_000
    return counts


def genes_of_one_cell(counts, cell):
    counts[:, :5] = 0
    counts[7, :5] = 50
    return counts


def genes_without_counts(counts, cell):
    counts[:, ::2] = 0
    return counts


def labelled(name, labels):
    def make():
        adata = counts_adata()
        adata.obs[name] = labels
        return adata

    return make


def few_cells(n):
    """Take the deepest cell, the shallowest one, and others."""

    def make():
        adata = counts_adata()
        order = np.argsort(adata.X.sum(axis=1).A1)
        return adata[order[[-1, 0, 1, -2][:n]]].copy()

    return make


def genes(n):
    def make():
        adata = counts_adata(n_vars=min(n, 40))
        wide = sp.hstack([adata.X, sp.csr_matrix((adata.n_obs, n - adata.n_vars), dtype=np.float32)], format="csr")
        return AnnData(wide, adata.obs, pd.DataFrame(index=[f"gene {j}" for j in range(n)]))

    return make


NEIGHBOURS = r"`n_neighbors=5`: it has to lie between 1 and the \d deep cells with a label"
TOO_FEW_TO_CURVE = r"\d cells at or above `low_umi=200` have a label: too few for `n_neighbors=5`"
OF_FEW_CELLS = {
    "tl.label_transfer": NEIGHBOURS,
    "tl.label_transfer by votes": r"`n_neighbors=3`: it has to lie between 1 and the \d deep cells",
    "tl.label_transfer_score": NEIGHBOURS,
    "tl.map_query": r"`n_neighbors=5`: it has to lie between 1 and|no type has two reference cells",
    "tl.recovery_curve": TOO_FEW_TO_CURVE,
    "tl.depth_leakage": r"there are \d usable cells; depth leakage needs 50",
    "tl.tsne": r"`perplexity=5` needs more cells than that, and there are \d",
    "tl.umap": r"`n_neighbors=3` needs more cells than that, and there are \d",
    "tl.compare": r"seed 0 leaves 1 cell: methods are compared on many|`n_neighbors=3`: it has to lie between 1 and",
}
ODD = {
    "cells of one UMI": (with_counts(one_umi), {}),
    "cells of ten million UMIs": (with_counts(ten_million_umis), {}),
    "genes that one cell has": (with_counts(genes_of_one_cell), {}),
    "genes without counts": (with_counts(genes_without_counts), {}),
    "one label": (labelled("cell_type", "T cell"), {}),
    "a batch for each cell": (
        labelled("batch", pd.Categorical([f"b{i}" for i in range(60)])),
        {"tl.depth_leakage": r"within each batch all cells have the same depth.*leave out `batch_key`"},
    ),
    "one cell": (
        few_cells(1),
        {
            "tl.joint_embedding": "there is 1 cell: an embedding is learnt from many",
            "tl.compare": "there are 1 cells of",
        },
    ),
    "two cells": (few_cells(2), OF_FEW_CELLS),
    "three cells": (few_cells(3), OF_FEW_CELLS),
    "one gene": (genes(1), {"tl.compare": "there are 60 cells of 1 genes"}),
    "100,000 genes": (genes(100_000), {}),
    "cells that are all there four times": (with_counts(lambda counts, cell: counts[cell // 4 * 4]), {}),
}


def check_finite(adata, written, said):
    """Look at what a step has written for each cell: what is missing is so by design, or a warning names the cells."""
    for slot in written:
        place, _, key = slot.partition("/")
        if place == "uns":
            continue
        values = adata.X if place == "X" else getattr(adata, place)[key]
        values = values.data if sp.issparse(values) else values
        finite = ~pd.isna(values) if isinstance(values, pd.Series) else np.isfinite(values)
        if slot in MISSING:
            missing = MISSING[slot](adata)
            np.testing.assert_array_equal(~np.reshape(finite, (*missing.shape, -1)).all(axis=-1), missing, err_msg=slot)
        else:
            assert finite.all() or any("cell " in text for text in said), slot


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure:scipy.sparse.SparseEfficiencyWarning")  # scanpy's
@pytest.mark.parametrize("name", ODD)
@pytest.mark.xdist_group("umap")
def test_odd_cells(name):
    make, refused = ODD[name]
    adata, model = make(), None
    for step in STEPS:
        options = OPTIONS.get(step, {})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)  # any other is an error
            if step in refused:
                with assert_unchanged(adata), pytest.raises(ValueError, match=refused[step]):
                    call(step, adata, model, **options)
            elif not NEEDS.get(step, set()) & refused.keys():
                before = slots(adata)
                result = call(step, adata, model, **options)
                model = result if step == "tl.joint_embedding" else model
                check_finite(adata, changed(before, slots(adata)), [str(one.message) for one in caught])


def ones_behind(counts):
    """Store each count above one as two that add up to it."""
    coo = counts.tocoo()
    more = coo.data > 1
    values = np.concatenate([np.where(more, 1, coo.data), coo.data[more] - 1]).astype(coo.dtype)
    rows, columns = np.concatenate([coo.row, coo.row[more]]), np.concatenate([coo.col, coo.col[more]])
    order = np.argsort(rows, kind="stable")
    return in_parts(
        counts,
        values[order],
        columns[order],
        np.searchsorted(rows[order], np.arange(len(counts.indptr))).astype(np.int32),
    )


def zeros_between(counts):
    """Store every entry."""
    rows, columns = counts.shape
    values = counts.toarray().ravel()
    return in_parts(
        counts,
        values,
        np.tile(np.arange(columns), rows).astype(np.int32),
        np.arange(0, rows * columns + 1, columns, np.int32),
    )


def backwards(counts):
    """Store each cell's genes in an order of their own."""
    order = np.lexsort((-counts.indices, np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))))
    return in_parts(counts, counts.data[order], counts.indices[order], counts.indptr)


def wide_indices(counts):
    """Store indices in 64 bits, as matrices of 2**31 counts and more have them."""
    return in_parts(counts, counts.data, counts.indices.astype(np.int64), counts.indptr.astype(np.int64))


def in_parts(like, values, columns, ends):
    """Put arrays into a matrix as they are: scipy's constructor makes indices narrow again."""
    counts = sp.csr_matrix(like.shape, dtype=values.dtype)
    counts.data, counts.indices, counts.indptr = values, columns, ends
    return counts


def read_only(counts):
    for part in [counts] if isinstance(counts, np.ndarray) else [counts.data, counts.indices, counts.indptr]:
        part.flags.writeable = False
    return counts


STORED = {
    "dense": sp.csr_matrix.toarray,
    "CSC": sp.csr_matrix.tocsc,
    "float64": lambda counts: counts.astype(np.float64),
    "int64": lambda counts: counts.astype(np.int64),
    "uint8": lambda counts: counts.astype(np.uint8),
    "read-only": lambda counts: read_only(counts.copy()),
    "read-only, dense": lambda counts: read_only(counts.toarray()),
    "Fortran order": lambda counts: np.asfortranarray(counts.toarray()),
    "unsorted": backwards,
    "duplicates": ones_behind,
    "explicit zeros": zeros_between,
    "64-bit indices": wide_indices,
}


def results(adata):
    for step in ("pp.depth_metrics", "pp.split_counts", "pp.thin_to_depth"):
        call(step, adata, None, **OPTIONS.get(step, {}))
    model = call("tl.joint_embedding", adata, None)
    call("tl.refine_low_umi", adata, model)
    emulated = call("pp.emulate_low_depth", adata, None, copy=True)
    exact = [adata.obs[["total_umi", "n_genes"]].to_numpy(), dense(emulated.X)]
    exact += [dense(adata.layers[layer]) for layer in ("split_a", "split_b", "thinned")]
    return exact, [adata.obsm[key] for key in ("X_joint_embedding", "X_joint_embedding_refined")]


@pytest.fixture(scope="module")
def small():
    """Counts that 8 bits hold, and what becomes of them in the usual form."""
    adata = counts_adata()
    adata.X.data = adata.X.data.clip(max=255)
    return adata, results(adata.copy())


@pytest.mark.filterwarnings("ignore:Training will be faster when sparse matrix is formatted as CSR")  # scvi-tools'
@pytest.mark.parametrize("name", STORED)
def test_the_form_of_the_counts_does_not_matter(name, small):
    adata, (exact, close) = small[0].copy(), small[1]
    adata.X = STORED[name](adata.X)
    parts = [adata.X.copy()] if isinstance(adata.X, np.ndarray) else [adata.X.data.copy(), adata.X.indices.copy()]
    found = results(adata)
    now = [adata.X] if isinstance(adata.X, np.ndarray) else [adata.X.data, adata.X.indices]
    for one, other in zip([*exact, *parts], [*found[0], *now], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(close, found[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)  # where counts are summed in another order


def test_counts_beyond_two_billion():
    first = 2**31 + 5
    counts = sp.csr_matrix((2, 4), dtype=np.float32)
    counts.indptr = np.array([first, first + 2, first + 3])
    counts.data = np.broadcast_to(np.float32(3), first + 3)  # one number, however often
    counts.indices = np.broadcast_to(np.int64(2), first + 3)
    np.testing.assert_array_equal(row_sums(counts), [6, 3])
    taken = take_rows(counts, np.array([1, 0]))
    assert (taken.row_starts.tolist(), taken.values.tolist(), taken.columns.tolist()) == ([0, 1, 3], [3] * 3, [2] * 3)
