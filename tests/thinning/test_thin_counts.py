"""What thinning keeps: UMIs, containers, dtypes, and the input; and one draw for all of them."""

from __future__ import annotations

import dask
import dask.array as da
import numba
import numpy as np
import pytest
import scipy.sparse as sp
from helpers import CONTAINERS, assert_same, counts_adata, dense

from lowdepth.thinning import thin_counts

KEY = np.uint64(5)
DTYPES = [bool, np.uint8, np.int32, np.int64, np.float32, np.float64]
COUNTS = counts_adata(50, 40, dtype=np.int64).X.toarray()
KEEP = np.linspace(0, 1, 50)
OVERDISPERSION = np.linspace(0, 1, 40) * (np.arange(40) % 2)


def with_zeros_stored(counts):
    counts = sp.csr_matrix(counts)
    rows, cols = np.indices(counts.shape).reshape(2, -1)
    return sp.csr_matrix((counts.toarray().ravel(), cols, np.arange(0, rows.size + 1, counts.shape[1])), counts.shape)


def unsorted(counts):
    counts = sp.csr_matrix(counts)
    order = np.concatenate([np.arange(*ends)[::-1] for ends in zip(counts.indptr, counts.indptr[1:], strict=False)])
    return sp.csr_matrix((counts.data[order], counts.indices[order], counts.indptr), counts.shape)


def with_duplicates(counts):
    """Store each count in two parts, one of them possibly zero."""
    counts = sp.csr_matrix(counts)
    part = counts.data // 2
    data = np.column_stack([part, counts.data - part]).ravel()
    return sp.csr_matrix((data, np.repeat(counts.indices, 2), counts.indptr * 2), counts.shape)


ODD_FORMS = {"unsorted": unsorted, "duplicates": with_duplicates, "zeros stored": with_zeros_stored}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("container", CONTAINERS)
def test_type_bounds_and_input(container, dtype):
    counts = CONTAINERS[container](COUNTS.astype(dtype))
    before = counts.copy()
    thinned = thin_counts(counts, KEEP, KEY)

    assert_same(before, counts)
    assert type(thinned) is type(counts)
    assert thinned.dtype == dtype
    assert thinned.shape == counts.shape
    kept = dense(thinned)
    assert (kept <= dense(counts)).all()
    assert (kept >= 0).all()
    assert 0 < kept.sum() < dense(counts).sum()
    np.testing.assert_array_equal(kept[0], 0)
    np.testing.assert_array_equal(kept[-1], dense(counts)[-1])
    if sp.issparse(thinned):
        assert (thinned.data > 0).all()
        assert thinned.has_canonical_format
        assert thinned.indices.dtype == counts.indices.dtype
        assert thinned.indptr.dtype == counts.indptr.dtype


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("container", CONTAINERS)
def test_same_draw_for_all_containers(container, dtype):
    expected = thin_counts(COUNTS, KEEP, KEY, overdispersion=OVERDISPERSION)
    counts = CONTAINERS[container](COUNTS.astype(dtype))
    np.testing.assert_array_equal(dense(thin_counts(counts, KEEP, KEY, overdispersion=OVERDISPERSION)), expected)


def test_indices_of_64_bits_stay():
    counts = sp.csr_array(COUNTS)
    counts.indices, counts.indptr = counts.indices.astype(np.int64), counts.indptr.astype(np.int64)
    thinned = thin_counts(counts, KEEP, KEY)
    assert (thinned.indices.dtype, thinned.indptr.dtype) == (np.int64, np.int64)
    np.testing.assert_array_equal(thinned.toarray(), thin_counts(COUNTS, KEEP, KEY))


@pytest.mark.parametrize("form", ODD_FORMS)
@pytest.mark.parametrize("container", ["csr_matrix", "csc_array"])
def test_storage_order_has_no_effect(form, container):
    counts = CONTAINERS[container](ODD_FORMS[form](COUNTS))
    if container == "csr_matrix":
        assert counts.nnz > np.count_nonzero(COUNTS) or not counts.has_sorted_indices
    before = counts.copy()
    thinned = thin_counts(counts, KEEP, KEY)
    assert_same(before, counts)
    np.testing.assert_array_equal(thinned.toarray(), thin_counts(COUNTS, KEEP, KEY))
    assert (thinned.data > 0).all()


@pytest.mark.parametrize("order", ["F", "strided", "read-only"])
def test_memory_layouts(order):
    counts = {
        "F": np.asfortranarray(COUNTS),
        "strided": np.repeat(COUNTS, 2, axis=1)[:, ::2],
        "read-only": COUNTS.copy(),
    }
    counts[order].setflags(write=False)
    np.testing.assert_array_equal(thin_counts(counts[order], KEEP, KEY), thin_counts(COUNTS, KEEP, KEY))


def test_read_only_sparse():
    counts = sp.csr_matrix(COUNTS)
    for part in (counts.data, counts.indices, counts.indptr):
        part.setflags(write=False)
    np.testing.assert_array_equal(thin_counts(counts, KEEP, KEY).toarray(), thin_counts(COUNTS, KEEP, KEY))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 3)])
def test_nothing_to_thin(container, shape):
    counts = CONTAINERS[container](np.zeros(shape, np.float32))
    thinned = thin_counts(counts, np.full(shape[0], 0.5), KEY)
    assert type(thinned) is type(counts)
    assert thinned.shape == shape
    assert dense(thinned).sum() == 0


def test_empty_cells_between_full_ones():
    counts = COUNTS.copy()
    counts[::3] = 0
    thinned = thin_counts(sp.csr_matrix(counts), np.full(50, 0.9), KEY)
    assert (thinned.sum(1).A1[::3] == 0).all()
    np.testing.assert_array_equal(thinned.toarray(), thin_counts(counts, np.full(50, 0.9), KEY))


@pytest.mark.parametrize("chunks", [(1, 40), (7, 40), (1000, 1000), (7, 11), (50, 1)], ids=str)
@pytest.mark.parametrize("container", ["ndarray", "csr_matrix", "csr_array"])
def test_same_draw_for_all_chunkings(container, chunks):
    counts = da.from_array(CONTAINERS[container](COUNTS), chunks=chunks)
    thinned = thin_counts(counts, KEEP, KEY, overdispersion=OVERDISPERSION)
    assert isinstance(thinned, da.Array)
    assert thinned.chunks == counts.chunks
    assert thinned.dtype == counts.dtype
    expected = thin_counts(COUNTS, KEEP, KEY, overdispersion=OVERDISPERSION)
    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            np.testing.assert_array_equal(dense(thinned), expected)


def test_tasks_of_all_blocks_are_put_together_once():
    thinned = thin_counts(da.from_array(COUNTS, chunks=(7, 40)), KEEP, KEY)
    assert len(thinned.dask.layers) == 1  # or dask would do it for each block that is computed alone


@pytest.mark.parametrize("container", ["ndarray", "csr_matrix"])
def test_same_draw_for_any_number_of_threads(container):
    counts = CONTAINERS[container](COUNTS)
    used = numba.get_num_threads()
    try:
        for n_threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(n_threads)
            np.testing.assert_array_equal(dense(thin_counts(counts, KEEP, KEY)), thin_counts(COUNTS, KEEP, KEY))
    finally:
        numba.set_num_threads(used)


def test_the_first_cells_do_not_know_of_the_others():
    np.testing.assert_array_equal(thin_counts(COUNTS[:9], KEEP[:9], KEY), thin_counts(COUNTS, KEEP, KEY)[:9])


def test_other_key_other_draw():
    assert (thin_counts(COUNTS, KEEP, KEY) != thin_counts(COUNTS, KEEP, KEY + np.uint64(1))).any()
    assert (thin_counts(COUNTS, KEEP, KEY) != thin_counts(COUNTS, KEEP, KEY ^ np.uint64(2**63))).any()


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    thin_counts(COUNTS, KEEP, KEY)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("keep", [np.full(49, 0.5), np.full((50, 1), 0.5), 0.5, np.full(50, np.nan), np.full(50, 1.1)])
def test_keep_is_one_probability_per_cell(keep):
    with pytest.raises(ValueError, match=r"`keep` has to hold one probability, in \[0, 1\], for each of the 50 cells"):
        thin_counts(COUNTS, keep, KEY)


def test_overdispersion_is_one_number_per_gene():
    with pytest.raises(ValueError, match=r"`overdispersion` has shape \(39,\); expected one number .* the 40 genes"):
        thin_counts(COUNTS, KEEP, KEY, overdispersion=np.zeros(39))


@pytest.mark.parametrize("counts", [sp.coo_array(COUNTS), COUNTS.tolist()], ids=["coo", "list"])
def test_other_containers_are_refused_by_name(counts):
    with pytest.raises(TypeError, match=rf"counts in a {type(counts).__name__} cannot be thinned; use a numpy array"):
        thin_counts(counts, KEEP, KEY)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("bad", [-3, np.nan, np.inf, 0.5])
def test_what_is_no_count_is_refused(container, bad):
    # compiled loops look counts up in tables: this one would be read from foreign memory
    counts = COUNTS.astype(np.float32)
    counts[7, 9] = bad
    with pytest.raises(ValueError, match=f"`counts` holds .*{bad}"):
        thin_counts(CONTAINERS[container](counts), KEEP, KEY)
