"""Sparse matrices that are none are refused before a compiled loop reads them. Fuzzed: see CONTRIBUTING.md."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import example, given
from hypothesis import strategies as st

import lowdepth as ld
from lowdepth._sparse_structure import check_structure
from lowdepth.thinning import thin_counts

KINDS = {"csr_matrix": sp.csr_matrix, "csr_array": sp.csr_array, "csc_matrix": sp.csc_matrix, "csc_array": sp.csc_array}


@st.composite
def matrices(draw):
    """Put any three arrays into a matrix: valid in about a third of the cases."""
    n_major, n_minor = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    kind = draw(st.sampled_from(sorted(KINDS)))
    index_type = draw(st.sampled_from([np.int32, np.int64]))
    wild = st.sampled_from([-(2**31), -1, n_minor, 2**31 - 1])
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(0, n_minor), min_size=n_major, max_size=n_major))
        ends = np.cumsum([0, *sizes])
    else:
        ends = draw(st.lists(st.integers(-2, 12), min_size=n_major, max_size=n_major + 2))
    n = max(0, int(ends[-1]) + draw(st.sampled_from([0, 0, 0, -1, 2])))
    indices = draw(st.lists(st.integers(0, n_minor - 1), min_size=n, max_size=n))
    if indices and draw(st.sampled_from([False, False, True])):
        indices[draw(st.integers(0, n - 1))] = draw(wild)
    counts = KINDS[kind]((n_major, n_minor) if "csr" in kind else (n_minor, n_major), dtype=np.float32)
    counts.indptr, counts.indices = np.array(ends, index_type), np.array(indices, index_type)
    counts.data = np.ones(max(0, n + draw(st.sampled_from([0, 0, 0, -1]))), np.float32)
    return counts


def is_valid(counts):
    n_major, n_minor = counts.shape if counts.format == "csr" else counts.shape[::-1]
    ends = counts.indptr.tolist()
    if len(ends) != n_major + 1 or ends[0] != 0 or ends != sorted(ends):
        return False
    stored = counts.indices.tolist()
    return ends[-1] <= len(stored) == len(counts.data) and all(0 <= index < n_minor for index in stored[: ends[-1]])


def without_a_value():
    """Leave out the value of an entry behind the last row, which scipy minds as soon as it copies the matrix."""
    counts = sp.csr_array((1, 2), dtype=np.float32)
    counts.indptr, counts.indices, counts.data = np.array([0, 1]), np.array([1, 0]), np.ones(1, np.float32)
    return counts


@given(matrices())
@example(without_a_value())
def test_refused_if_and_only_if_it_is_no_matrix(counts):
    before = [part.copy() for part in (counts.data, counts.indices, counts.indptr)]
    if is_valid(counts):
        check_structure(counts, "it")
    else:
        with pytest.raises(ValueError, match=r"it is no valid cs[rc]_(matrix|array): its .*; read it again"):
            check_structure(counts, "it")
    for part, old in zip((counts.data, counts.indices, counts.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)


@given(matrices())
@example(without_a_value())
def test_thinning_never_reads_beyond(counts):
    keep = np.ones(counts.shape[0])
    if is_valid(counts):
        thinned = thin_counts(counts, keep, np.uint64(0))
        np.testing.assert_array_equal(thinned.toarray(), counts.toarray())
    else:
        with pytest.raises(ValueError, match="`counts` is no valid"):
            thin_counts(counts, keep, np.uint64(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "damage",
    [("indices", 0, 9), ("indices", -1, -1), ("indptr", 1, 17), ("indptr", -1, 2**30), ("indptr", 0, 1)],
    ids=str,
)
@pytest.mark.parametrize(
    "function",
    [
        ld.pp.depth_metrics,
        ld.pp.split_counts,
        ld.pp.emulate_low_depth,
        lambda adata: ld.pp.thin_to_depth(adata, 2),
        lambda adata: ld.pp.filter_low_umi(adata, 1),
    ],
    ids=["depth_metrics", "split_counts", "emulate_low_depth", "thin_to_depth", "filter_low_umi"],
)
def test_public_functions_refuse_it(function, damage, kind):
    adata = AnnData(KINDS[kind](np.tri(5, 4, dtype=np.float32)))
    part, position, value = damage
    getattr(adata.X, part)[position] = value
    before = [getattr(adata.X, name).copy() for name in ("data", "indices", "indptr")]
    with pytest.raises(ValueError, match=r"adata\.X is no valid"):
        function(adata)
    for name, old in zip(("data", "indices", "indptr"), before, strict=True):
        np.testing.assert_array_equal(getattr(adata.X, name), old)
    assert not set(adata.obs) | set(adata.layers) - {None} | set(adata.uns)
