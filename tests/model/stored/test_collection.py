"""Cells are shuffled on the disk once, completely or not at all."""

from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import replace
from unittest.mock import patch

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from helpers import counts_adata, dense
from scipy.stats import spearmanr
from stores import content, written

from lowdepth.model.stored import _collection, _shuffle, _sources
from lowdepth.model.stored._collection import shuffled
from lowdepth.model.stored._sources import open_sources


def shuffle(paths, folder):
    return shuffled(open_sources(paths, None, []), folder, progress_bar=False)


def counts_of(collection):
    return np.concatenate([dense(dataset[:]) for dataset in collection.datasets])


@pytest.fixture
def in_small_parts():
    """Let a few cells be several blocks, and these several pieces."""

    def in_blocks(*args):
        return [replace(source, counts=source.counts.rechunk((10, -1))) for source in _sources.open_sources(*args)]

    with patch.dict(globals(), open_sources=in_blocks), patch.object(_shuffle, "BYTES_OF_A_PIECE", 20_000):
        yield


def interrupted(path, folder, at):
    """Shuffle until a piece is begun."""
    write = _shuffle._write

    def write_some(path, number, *args):
        if number == at:
            (path / f"part_{number}").mkdir()
            raise KeyboardInterrupt
        write(path, number, *args)

    with patch.object(_shuffle, "_write", write_some), pytest.raises(KeyboardInterrupt):
        shuffle(path, folder)


def test_each_cell_is_there_once_with_its_counts(tmp_path, in_small_parts):
    adata = counts_adata(200)
    paths = [written(adata[:80].copy(), tmp_path / "a.h5ad"), written(adata[80:].copy(), tmp_path / "b.zarr")]
    collection = shuffle(paths, tmp_path / "folder")
    assert len(collection.datasets) > 1
    assert sorted(collection.cells) == list(range(200))
    np.testing.assert_array_equal(counts_of(collection), dense(adata.X)[collection.cells])
    np.testing.assert_array_equal(collection.gene_umis, dense(adata.X).sum(0))
    np.testing.assert_array_equal(collection.total_umi, dense(adata.X).sum(1))


def test_the_order_is_a_random_one(tmp_path):
    n_obs = 400
    collection = shuffle(written(counts_adata(n_obs), tmp_path / "a.h5ad"), tmp_path / "folder")
    correlation = spearmanr(collection.cells, np.arange(n_obs)).statistic
    assert abs(correlation) < 4 / np.sqrt(n_obs - 1)
    assert (np.diff(collection.cells) == 1).sum() < 1 + 4  # a Poisson variable of mean 1


def test_it_is_recognised_and_used_again(tmp_path):
    path = written(counts_adata(), tmp_path / "a.h5ad")
    first = shuffle(path, tmp_path / "folder")
    with patch.object(_collection, "shuffle", side_effect=AssertionError):
        again = shuffle(path, tmp_path / "folder")
        as_zarr = shuffle(written(counts_adata(), tmp_path / "b.zarr"), tmp_path / "folder")
    np.testing.assert_array_equal(first.cells, again.cells)
    np.testing.assert_array_equal(first.cells, as_zarr.cells)


def fewer_cells(adata):
    return adata[:59].copy()


def another_order_of_genes(adata):
    return adata[:, ::-1].copy()


def another_count(adata):
    adata.X.data[-1] += 1
    return adata


@pytest.mark.parametrize("change", [fewer_cells, another_order_of_genes, another_count])
def test_other_cells_are_shuffled_anew(tmp_path, change):
    adata = counts_adata()
    first = shuffle(written(adata, tmp_path / "a.h5ad"), tmp_path / "folder")
    adata = change(adata)
    second = shuffle(written(adata, tmp_path / "a.h5ad"), tmp_path / "folder")
    assert first.fingerprint != second.fingerprint
    np.testing.assert_array_equal(counts_of(second), dense(adata.X)[second.cells])
    assert len(list((tmp_path / "folder").glob("cells-*.zarr"))) == 2


def test_what_was_interrupted_goes_on(tmp_path, in_small_parts):
    path, folder = written(counts_adata(200), tmp_path / "a.h5ad"), tmp_path / "folder"
    whole = shuffle(path, tmp_path / "other")
    interrupted(path, folder, 2)
    with patch.object(_shuffle, "_write", side_effect=_shuffle._write) as later:
        resumed = shuffle(path, folder)
    assert [call.args[1] for call in later.call_args_list] == list(range(2, len(whole.datasets)))
    np.testing.assert_array_equal(resumed.cells, whole.cells)
    np.testing.assert_array_equal(counts_of(resumed), counts_of(whole))


def test_what_was_begun_in_other_pieces_is_begun_anew(tmp_path, in_small_parts):
    adata = counts_adata(200)
    path, folder = written(adata, tmp_path / "a.h5ad"), tmp_path / "folder"
    with patch.object(_shuffle, "BYTES_OF_A_PIECE", 30_000):
        interrupted(path, folder, 1)
    collection = shuffle(path, folder)
    assert sorted(collection.cells) == list(range(200))
    np.testing.assert_array_equal(counts_of(collection), dense(adata.X)[collection.cells])


def test_memory_is_that_of_some_pieces(tmp_path):
    n_obs, n_nonzero, piece = 20_000, 100, 2 * 2**20
    indptr = np.arange(n_obs + 1) * n_nonzero
    counts = sp.csr_matrix((np.ones(indptr[-1], np.float32), np.tile(np.arange(n_nonzero), n_obs), indptr))
    path = written(ad.AnnData(counts), tmp_path / "a.zarr")
    tracemalloc.start()
    try:
        with patch.object(_shuffle, "BYTES_OF_A_PIECE", piece):
            collection = shuffle(path, tmp_path / "folder")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(collection.datasets) == 8
    assert peak < 4 * piece < counts.nnz * 8 * 0.53, peak


def test_what_a_killed_process_left_is_removed_and_the_rest_stays(tmp_path):
    path, folder = written(counts_adata(), tmp_path / "a.h5ad"), tmp_path / "folder"
    name = f"cells-{shuffle(path, folder).fingerprint}"
    shutil.rmtree(folder / f"{name}.zarr")
    (folder / f"{name}.part.zarr" / "dataset_0").mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    shuffle(path, folder)
    assert sorted(file.name for file in folder.iterdir()) == [".lock", f"{name}.zarr", "mine.txt"]
    assert (folder / "mine.txt").read_text() == "mine"


def test_sources_stay_as_they_are(tmp_path):
    path = written(counts_adata(), tmp_path / "a.zarr")
    before = content(path)
    shuffle(path, tmp_path / "folder")
    assert content(path) == before


def test_the_need_of_room_is_told_before(tmp_path, caplog):
    adata = counts_adata()
    path = written(adata, tmp_path / "a.h5ad")
    with caplog.at_level("INFO", "lowdepth"):
        shuffle(path, tmp_path / "folder")
    assert f"60 cells take up to {adata.X.nnz * 8 / 1e9:.2f} GB on the disk" in caplog.text


def test_no_room(tmp_path):
    path = written(counts_adata(), tmp_path / "a.h5ad")
    with (
        patch.object(shutil, "disk_usage", return_value=shutil._ntuple_diskusage(100, 99, 1)),
        pytest.raises(
            OSError, match=r"60 cells take up to .* and 0\.00 GB are free; make room, or name another `folder`"
        ),
    ):
        shuffle(path, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("made", [False, True])
def test_an_error_leaves_nothing_behind(tmp_path, made):
    adata = counts_adata(2500, 5)
    adata.X = sp.csr_matrix(dense(adata.X) + 1.0)
    adata.X.data[-30] = 0.5  # not in a block that is looked at first
    path, folder = written(adata, tmp_path / "a.h5ad"), tmp_path / "folder"
    if made:
        folder.mkdir()
    with patch.object(_collection, "BLOCKS_TO_RECOGNISE", 1), pytest.raises(ValueError, match=r"holds 0\.5"):
        shuffle(path, folder)
    # another process may wait for the lock in a folder that was there
    assert sorted(tmp_path.rglob("*")) == ([path, folder, folder / ".lock"] if made else [path])
