"""Cells on the disk get their embedding where they are, whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from unittest.mock import patch

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from annbatch import DatasetCollection
from helpers import assert_same, assert_unchanged, counts_adata
from stores import content, written

import lowdepth as ld
from lowdepth.model.stored import _write_back
from lowdepth.tl import _refine_stored

OPTIONS = {"n_latent": 4, "n_hidden": 16, "max_epochs": 2, "low_umi": 50, "progress_bar": False, "accelerator": "cpu"}
KEY, RECORD = "X_joint_embedding", "joint_embedding"


def read(path):
    return (ad.read_zarr if path.suffix == ".zarr" else ad.read_h5ad)(path)


def embed(data, **options):
    return ld.tl.joint_embedding(data, **OPTIONS | options)


def files(folder):
    """Name what is in a folder, but for what is in zarr stores."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if ".zarr/" not in str(path))


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_file_gets_the_embedding_and_the_record_and_keeps_the_rest(tmp_path, suffix):
    adata = counts_adata()
    path = written(adata, tmp_path / f"cells.{suffix}")
    model = embed(path, batch_key="batch")
    after = read(path)
    assert after.obsm[KEY].dtype == np.float32
    np.testing.assert_array_equal(after.obsm[KEY], model.get_latent_representation())
    record = after.uns[RECORD]
    assert record["params"]["batch_key"] == "batch"
    assert record["params"]["max_epochs"] == len(record["history"]) == 2
    assert set(record) == {"params", "interrupted", "history", "versions"}
    del after.obsm[KEY], after.uns[RECORD]
    for slot in ("obs", "var", "obsm", "uns"):
        assert_same(getattr(adata, slot), getattr(after, slot), slot)
    assert_same(adata.X, after.X)
    fingerprint = model.cells.collection.fingerprint
    assert files(tmp_path) == sorted(
        [
            f"cells.{suffix}",
            f"cells.{suffix}.lowdepth",
            f"cells.{suffix}.lowdepth/.lock",
            f"cells.{suffix}.lowdepth/cells-{fingerprint}.zarr",
        ]
    )


def test_the_record_is_that_of_cells_in_memory(tmp_path):
    adata = counts_adata()
    path = written(adata, tmp_path / "cells.h5ad")
    embed(adata, batch_key="batch")
    embed(path, batch_key="batch")
    one, other = adata.uns[RECORD], read(path).uns[RECORD]
    assert one["params"] == other["params"]
    assert one["versions"] == other["versions"]
    assert set(one["history"]) == set(other["history"])


def test_several_files_get_their_own_cells(tmp_path):
    adata = counts_adata(100)
    paths = [written(adata[:40].copy(), tmp_path / "a.zarr"), written(adata[40:].copy(), tmp_path / "b.h5ad")]
    model = embed(paths, key_added="X_both")
    found = np.concatenate([read(path).obsm["X_both"] for path in paths])
    np.testing.assert_array_equal(found, model.get_latent_representation())
    np.testing.assert_allclose(found, model.get_latent_representation(adata), rtol=1e-5, atol=1e-6)
    assert all("both" in read(path).uns for path in paths)


def half_are_shallow(adata):
    return float(np.median(adata.X.sum(axis=1).A1))


REFINED = "X_joint_embedding_refined"


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_shallow_cells_are_refined_as_in_memory(tmp_path, suffix):
    adata = counts_adata(100)
    paths = [written(adata[:40].copy(), tmp_path / f"a.{suffix}"), written(adata[40:].copy(), tmp_path / f"b.{suffix}")]
    low_umi = half_are_shallow(adata)
    model = embed(paths, batch_key="batch", refine=True, low_umi=low_umi)
    after = ad.concat([read(path) for path in paths])
    ld.tl.refine_low_umi(adata, model, low_umi=low_umi, progress_bar=False)
    np.testing.assert_allclose(after.obsm[REFINED], adata.obsm[REFINED], rtol=1e-5, atol=1e-5)
    for column in ("joint_embedding_refined_n_references", "joint_embedding_refined_entropy"):
        np.testing.assert_allclose(after.obs[column], adata.obs[column], rtol=1e-4, atol=1e-5)
        assert 0 < after.obs[column].isna().sum() < 100
    for path in paths:
        assert adata.uns["joint_embedding_refined"] == read(path).uns["joint_embedding_refined"]


def test_refined_again_in_blocks(tmp_path):
    adata = counts_adata(100)
    path = written(adata, tmp_path / "cells.zarr")
    options = {"refine": True, "low_umi": half_are_shallow(adata)}
    embed(path, **options)
    first = read(path)
    with patch.object(_refine_stored, "ROWS_AT_A_TIME", 7):
        embed(path, **options)
    again = read(path)
    np.testing.assert_array_equal(first.obsm[REFINED], again.obsm[REFINED])
    assert_same(first.obs, again.obs, "obs")


def test_a_lazily_read_adata_is_refined_in_place(tmp_path):
    counts = counts_adata(100)
    adata = ad.experimental.read_lazy(written(counts, tmp_path / "cells.h5ad"))
    low_umi = half_are_shallow(counts)
    model = embed(adata, refine=True, low_umi=low_umi)
    refined, entropy = adata.obsm[REFINED], np.array(adata.obs["joint_embedding_refined_entropy"])
    ld.tl.refine_low_umi(adata, model, low_umi=low_umi, progress_bar=False)  # the model takes the lazy cells too
    np.testing.assert_allclose(refined, adata.obsm[REFINED], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(entropy, np.array(adata.obs["joint_embedding_refined_entropy"]), rtol=1e-4, atol=1e-5)


def test_the_model_labels_lazily_read_cells_as_those_in_memory(tmp_path):
    in_memory = counts_adata(100)
    path = written(in_memory, tmp_path / "cells.zarr")
    low_umi = half_are_shallow(in_memory)
    model = embed(path, low_umi=low_umi)
    lazy = ad.experimental.read_lazy(path)
    for cells in (in_memory, lazy):
        ld.tl.label_transfer(cells, "cell_type", model=model, low_umi=low_umi, n_neighbors=5)
    probability = lazy.obsm["label_transfer_probability"]
    umis = in_memory.X.sum(axis=1).A1
    assert (probability[umis < low_umi] < 1).any()
    np.testing.assert_allclose(probability, in_memory.obsm["label_transfer_probability"], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.* cells are embedded at values that are not finite")
def test_a_training_that_diverged(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.zarr")
    before = content(path)
    with pytest.raises(ValueError, match="the training diverged"):
        embed(path, lr=1e30)
    assert content(path) == before
    assert not list(tmp_path.glob("*.lowdepth/*.ckpt"))


def test_a_lazily_read_adata_gets_the_embedding_itself(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.h5ad")
    before = content(path)
    adata = ad.experimental.read_lazy(path)
    model = embed(adata, folder=tmp_path / "shuffled")
    np.testing.assert_array_equal(adata.obsm[KEY], model.get_latent_representation())
    assert RECORD in adata.uns
    assert content(path) == before


@pytest.mark.filterwarnings(
    "ignore:Consolidated metadata is currently not part"
)  # zarr says so of what annbatch writes
def test_a_collection_gets_the_embedding_by_datasets(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.h5ad")
    own = DatasetCollection(tmp_path / "own.zarr").add_adatas(
        [path], dataset_size=40, shuffle_chunk_size=10, rng=np.random.default_rng(0)
    )
    model = embed(own)
    again = DatasetCollection(tmp_path / "own.zarr", mode="r")
    found = [ad.io.read_elem(dataset["obsm"])[KEY] for dataset in again]
    np.testing.assert_array_equal(np.concatenate(found), model.get_latent_representation())


def test_an_embedding_of_ours_is_replaced(tmp_path):
    for suffix in ("h5ad", "zarr"):
        path = written(counts_adata(), tmp_path / f"cells.{suffix}")
        embed(path)
        model = embed(path, rng=1)
        np.testing.assert_array_equal(read(path).obsm[KEY], model.get_latent_representation())
        assert read(path).uns[RECORD]["params"]["rng"] == 1


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_another_embedding_is_kept(tmp_path, suffix):
    adata = counts_adata()
    adata.obsm[KEY] = np.zeros((60, 2))
    path = written(adata, tmp_path / f"cells.{suffix}")
    before = content(path)
    with pytest.raises(ValueError, match=r"has obsm\['X_joint_embedding'\] already.*pass another `key_added`"):
        embed(path)
    assert content(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_an_error_while_it_is_written_leaves_the_file(tmp_path, suffix):
    paths = [written(counts_adata(), tmp_path / f"{name}.{suffix}") for name in "ab"]
    before = [content(path) for path in paths]
    with patch.object(_write_back, "flush", side_effect=OSError("no room")), pytest.raises(OSError, match="no room"):
        embed(paths)
    assert [content(path) for path in paths] == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_what_a_killed_process_left_beside_the_file_is_removed(tmp_path, suffix):
    path = written(counts_adata(), tmp_path / f"cells.{suffix}")
    left = tmp_path / f".cells.{suffix}.joint_embedding.partial"
    left.mkdir() if suffix == "zarr" else left.write_text("half")
    embed(path)
    assert not left.exists()
    assert KEY in read(path).obsm


def test_no_room_for_a_copy(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.h5ad")
    before = content(path)
    room = type("Room", (), {"free": 10_000})
    with patch.object(_write_back.shutil, "disk_usage", return_value=room), pytest.raises(OSError, match="make room"):
        embed(path)
    assert content(path) == before


def test_a_store_that_is_no_folder(tmp_path):
    store = zarr.storage.MemoryStore()
    counts_adata().write_zarr(store)
    source = type("Source", (), {"place": zarr.open_group(store), "n_obs": 60, "name": "memory"})
    with (
        pytest.raises(NotImplementedError, match="pass a path on a disk"),
        _write_back.results_of(source, "joint_embedding"),
    ):
        pass


def test_what_is_missing_in_a_zarr_store_is_no_number(tmp_path):
    path = written(counts_adata(), tmp_path / "cells.zarr")
    embed(path)
    assert np.isnan(zarr.open_group(path, mode="r")["obsm"][KEY].fill_value)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_file_without_the_groups(tmp_path, suffix):
    path = written(counts_adata(), tmp_path / f"cells.{suffix}")
    if suffix == "h5ad":
        with h5py.File(path, "r+") as file:
            del file["obsm"], file["uns"]
    else:
        group = zarr.open_group(path)
        del group["obsm"], group["uns"]
        with _write_back.quiet_zarr():
            zarr.consolidate_metadata(path)
    embed(path)
    assert set(read(path).obsm) == {KEY}


@pytest.mark.parametrize(
    ("options", "error", "expected"),
    [
        ({"layer": "none"}, KeyError, "no layer 'none'"),
        ({"batch_key": "none"}, KeyError, "no column 'none'"),
        ({"copy": True}, NotImplementedError, "pass the path of a copy"),
        ({"refine": True, "low_umi": 10_000}, ValueError, "no deep cell with `low_umi=10000`"),
        ({"devices": 2}, NotImplementedError, "by one device"),
        ({"preset": "none"}, ValueError, "preset"),
        ({"batch_size": 1}, ValueError, "batch_size"),
    ],
)
def test_a_wrong_argument_changes_nothing(tmp_path, options, error, expected):
    path = written(counts_adata(), tmp_path / "cells.h5ad")
    before = content(path)
    with pytest.raises(error, match=expected):
        embed(path, **options)
    assert content(path) == before


def test_a_wrong_path_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        embed(tmp_path / "none.h5ad")
    assert not list(tmp_path.iterdir())


def test_one_cell(tmp_path):
    with pytest.raises(ValueError, match="there is 1 cell"):
        embed(written(counts_adata()[:1].copy(), tmp_path / "cells.h5ad"))


def test_no_deep_cell(tmp_path):
    with pytest.warns(UserWarning, match="No cell has 1000000 UMIs or more"):
        embed(written(counts_adata(), tmp_path / "cells.h5ad"), low_umi=1_000_000)


def test_a_lazily_read_adata_is_unchanged_on_an_error(tmp_path):
    adata = ad.experimental.read_lazy(written(counts_adata(), tmp_path / "cells.h5ad"))
    keys = set(adata.obsm), set(adata.uns), set(adata.obs)
    with patch.object(_write_back.np, "empty", side_effect=MemoryError), pytest.raises(MemoryError):
        embed(adata)
    assert keys == (set(adata.obsm), set(adata.uns), set(adata.obs))


def test_cells_in_memory_are_still_checked():
    adata = counts_adata()
    adata.X.data[0] = 0.5
    with assert_unchanged(adata), pytest.raises(ValueError, match="not a whole number"):
        embed(adata)


KILLED = """
import sys
import lowdepth as ld

ld.tl.joint_embedding(
    sys.argv[1], n_latent=4, n_hidden=16, max_epochs=10, low_umi=50, progress_bar=False, accelerator="cpu"
)
"""


@pytest.mark.parametrize(
    "while_there_is",
    [
        pytest.param("training-*.ckpt", id="trains"),
        pytest.param("*.part.zarr", id="shuffles", marks=pytest.mark.slow),  # quickly, by an interrupt: test_collection
    ],
)
def test_what_is_killed_comes_to_the_same_end(while_there_is, tmp_path):
    adata = counts_adata(200)
    path, other = (written(adata, tmp_path / f"{name}.zarr") for name in ("killed", "whole"))
    before = content(path)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stderr=subprocess.PIPE)
    while not list(tmp_path.glob(f"killed.zarr.lowdepth/{while_there_is}")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert content(path) == before

    resumed, whole = (embed(place, max_epochs=10) for place in (path, other))
    for name, losses in whole.history.items():
        pd.testing.assert_frame_equal(
            losses.astype(float), resumed.history[name].astype(float), rtol=1e-3, check_index_type=False
        )
    np.testing.assert_allclose(read(path).obsm[KEY], read(other).obsm[KEY], rtol=0.02, atol=0.02)
    assert not list(tmp_path.glob("*.lowdepth/*.ckpt"))


def test_covariates_are_encoded_once_for_all_files(tmp_path):
    parts = [written(counts_adata(seed=seed), tmp_path / f"{seed}.h5ad") for seed in range(3)]
    calls = []
    for data in (parts[:1], parts):
        encoded = ld.model.StoredCells.encoded
        with patch.object(ld.model.StoredCells, "encoded", autospec=True, side_effect=encoded) as spy:
            embed(data, batch_key="batch", max_epochs=1)
        calls.append(spy.call_count)
    assert calls[0] == calls[1]
