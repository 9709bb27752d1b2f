"""A save that fails, is killed or is overtaken leaves the old model or the new one, whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from saved_models import assert_same_model, cells, load, model_of, same_weights, weights

from lowdepth import _files
from lowdepth.model.files import _model_files

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models():
    return [model_of(cells(), seed=seed) for seed in range(2)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def interrupted_saves(tmp_path_factory):
    root = tmp_path_factory.mktemp("interrupted")
    paths = os.pathsep.join([str(TESTS), *sys.path])
    script = TESTS / "model" / "files" / "interrupted_saves.py"
    done = subprocess.run(
        [sys.executable, str(script), str(root)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.xdist_group("interrupted saves")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_at_every_step(models, interrupted_saves):
    old, new = map(weights, models)
    found = []
    for folder in sorted(interrupted_saves.glob("replaced-*")):
        loaded = weights(load(folder))  # with the cells that it was saved with
        assert same_weights(loaded, old) or same_weights(loaded, new), folder
        found.append("new" if same_weights(loaded, new) else "old")
    # at some step, and for good
    assert found == sorted(found, reverse=True)
    assert found.count("old") >= 5
    assert found.count("new") >= 3
    first = sorted(interrupted_saves.glob("first-*"))
    assert len(first) >= 6
    for folder in first:
        if (folder / "model.json").exists():
            assert same_weights(weights(load(folder)), new)
        else:
            models[1].save(folder)  # as if nothing had been there
            assert_same_model(load(folder, cells()), models[1])


@pytest.mark.xdist_group("interrupted saves")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_processes_save_at_once(models, interrupted_saves):
    loaded = weights(load(interrupted_saves / "shared", adata=False))
    assert any(same_weights(loaded, weights(model)) for model in models)
    models[0].save(interrupted_saves / "shared", overwrite=True)
    assert_same_model(load(interrupted_saves / "shared", cells()), models[0])


def test_disk_full(models, mounted):
    disk = mounted("size=64k")
    models[0].save(disk / "model")
    before = names(disk / "model")
    large = model_of(cells(), n_hidden=64)
    with pytest.raises(
        OSError, match=r"could not be saved in '.*model', where all is as it was: .*No space left"
    ) as full:
        large.save(disk / "model", overwrite=True)
    assert full.value.errno == errno.ENOSPC
    assert names(disk / "model") == before
    assert_same_model(load(disk / "model", cells()), models[0])
    with pytest.raises(OSError, match="No space left"):
        large.save(disk / "other")
    assert names(disk) == ["model"]
    models[1].save(disk / "model", overwrite=True)
    assert_same_model(load(disk / "model", cells()), models[1])


def test_disk_full_at_every_place(models, mounted):
    disk = mounted("size=512k")
    failed = 0
    for free in range(4, 160, 8):
        models[0].save(disk / "model", overwrite=True, save_anndata=True)
        filler = disk / "filler"
        filler.touch()
        available = os.statvfs(disk)
        filler.write_bytes(bytes(available.f_bavail * available.f_frsize - free * 1024))
        try:
            models[1].save(disk / "model", overwrite=True, save_anndata=True)
        except OSError as error:
            assert "where all is as it was" in str(error)  # noqa: PT017  whether it fails depends on the room
            assert same_weights(weights(load(disk / "model")), weights(models[0]))
            assert len(names(disk / "model")) == 3
            failed += 1
        else:
            assert same_weights(weights(load(disk / "model")), weights(models[1]))
        filler.unlink()
    assert 3 < failed < 19


def test_read_only_disk(models, mounted):
    disk = mounted("size=1m")
    models[0].save(disk / "model")
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a disk cannot be made read-only here: {error.stderr}")
    with pytest.raises(OSError, match=r"could not be saved in '.*model', where all is as it was: .*may not be written"):
        models[1].save(disk / "model", overwrite=True)
    with pytest.raises(OSError, match=r"could not be saved in '.*other', where all is as it was: .*Read-only"):
        models[1].save(disk / "other")
    assert_same_model(load(disk / "model", cells()), models[0])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="for root no folder is read-only")
def test_read_only_folder(models, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="could not be saved"):
            models[0].save(tmp_path / "model")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_stands_in_the_way(models, tmp_path):
    (tmp_path / "model").write_text("mine")
    for folder in (tmp_path / "model", tmp_path / "model" / "deeper"):
        with pytest.raises(OSError, match="could not be saved in"):
            models[0].save(folder, overwrite=True)
    assert (tmp_path / "model").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EIO, "the disk failed"), MemoryError], ids=repr)
@pytest.mark.parametrize("step", ["flush", "sealed", "atomically"])
def test_an_error_leaves_the_old_model_and_nothing_else(error, step, models, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    models[0].save(tmp_path / "model")
    before = names(tmp_path / "model")
    with monkeypatch.context() as broken:
        broken.setattr(_model_files, step, fail)
        with pytest.raises((KeyboardInterrupt, OSError, MemoryError)):
            models[1].save(tmp_path / "model", overwrite=True)
        with pytest.raises((KeyboardInterrupt, OSError, MemoryError)):
            models[1].save(tmp_path / "new")
    assert names(tmp_path / "model") == before
    assert names(tmp_path) == ["model"]
    assert_same_model(load(tmp_path / "model", cells()), models[0])


def test_an_interrupt_after_the_last_step_leaves_the_new_model(models, tmp_path, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    models[0].save(tmp_path / "model")
    with monkeypatch.context() as broken:
        broken.setattr(_files, "_flush_names", interrupt)
        with pytest.raises(KeyboardInterrupt):
            models[1].save(tmp_path / "model", overwrite=True)
    assert_same_model(load(tmp_path / "model", cells()), models[1])
    assert len(names(tmp_path / "model")) == 2


def test_what_killed_saves_left_is_removed_after_a_day(models, tmp_path):
    models[0].save(tmp_path)
    models[0].save(tmp_path, "other_")
    kept = names(tmp_path)
    left = [
        tmp_path / name for name in ("weights-00000000.pt", "adata-00000000.h5ad", "weights-00000001.pt", "weights.pt")
    ]
    for path in left:
        path.touch()
    long_ago = time.time() - 2 * _files.ABANDONED_AFTER
    for path in (left[0], left[1], left[3], *tmp_path.glob("other_*")):
        os.utime(path, (long_ago, long_ago))
    models[1].save(tmp_path, overwrite=True)
    assert [path.exists() for path in left] == [False, False, True, True]
    assert set(names(tmp_path)) >= {name for name in kept if name.startswith("other_")}
