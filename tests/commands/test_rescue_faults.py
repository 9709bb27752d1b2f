"""A rescue that runs out of room, finds damage, or is stopped: nothing is lost, and the next attempt works."""

from __future__ import annotations

import errno
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import anndata as ad
import pytest
from disks import room_left
from helpers import counts_adata
from rescue_command import OPTIONS, rescue

import lowdepth as ld
from lowdepth._commands import _checkpoint
from lowdepth._commands._files_of import write
from lowdepth.model._module import JointEmbeddingModule

TRAINED_AGAIN = pytest.raises(RuntimeError, match="trained again")


@contextmanager
def quick():
    """Leave out what comes after the training, and let a second training be an error."""

    def keep(adata, *_, **__):
        adata.obs["keep"] = "keep"

    with (
        patch.object(ld.tl, "joint_embedding", side_effect=RuntimeError("trained again")),
        patch.object(ld.tl, "label_transfer"),
        patch.object(ld.tl, "recommend_cutoff", keep),
        patch.object(ld.tl, "tsne"),
    ):
        yield


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_disk_full_at_every_place(suffix, mounted):
    disk = mounted("size=1m")
    out, adata = disk / f"out.{suffix}", counts_adata(60, 20)
    old = adata[:10].copy()
    write(old, out)
    failed = 0
    for kilobytes in range(0, 240, 16):
        with room_left(disk, kilobytes):
            try:
                write(adata, out)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  whether it fails depends on the room
                failed += 1
        read = ad.read_h5ad if suffix == "h5ad" else ad.read_zarr
        assert read(out).n_obs in {10, 60}
        assert [path.name for path in disk.iterdir()] == [out.name]
        write(old, out)
    assert 2 < failed < 15


def test_disk_full_at_the_end(cells, halted, mounted, capsys):
    disk = mounted("size=8m")
    subprocess.run(["cp", "-r", halted / ".out.h5ad.embedding", disk], check=True)
    with quick():
        with room_left(disk, 8):
            assert rescue(cells, *OPTIONS, "--out", disk / "out.h5ad") == 2
        assert "out.h5ad' could not be written, and what was there before is as it was" in capsys.readouterr().err
        assert [path.name for path in disk.iterdir()] == [".out.h5ad.embedding"]
        assert rescue(cells, *OPTIONS, "--out", disk / "out.h5ad") == 0  # with the embedding that was kept
    assert [path.name for path in disk.iterdir()] == ["out.h5ad"]


def test_no_room_for_the_checkpoint_does_not_end_the_job(tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    adata = counts_adata()
    checkpoint = _checkpoint.Checkpoint(tmp_path / "out.h5ad", {"layer": None, "batch_key": None}, adata)
    with pytest.warns(UserWarning, match=r"the embedding cannot be kept for a second attempt: .*No space left"):
        checkpoint.save(adata, SimpleNamespace(save=full))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("default:the embedding in")
@pytest.mark.parametrize("name", ["settings.json", "slots.h5ad", "model/model.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_checkpoint_is_not_taken_up(name, damage, cells, interrupted, capsys):
    file = interrupted.with_name(".out.h5ad.embedding") / name
    content = bytearray(file.read_bytes())
    file.unlink()
    if damage != "missing":
        content[len(content) // 2] ^= 1
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with quick(), TRAINED_AGAIN:
        rescue(cells, *OPTIONS, "--out", interrupted)
    if name == "model/model.json" or (name, damage) in {("settings.json", "cut"), ("slots.h5ad", "missing")}:
        assert "cannot be taken up again, so it is trained anew" in capsys.readouterr().err


def test_training_touches_no_file(cells, tmp_path):
    """A job that is killed while it trains leaves what was there."""
    seen, before, forward = [], cells.read_bytes(), JointEmbeddingModule.forward

    def watched(module, *tensors, **options):
        seen.append([path.name for path in tmp_path.iterdir()])
        if len(seen) == 3:
            raise SystemExit(137)
        return forward(module, *tensors, **options)

    (tmp_path / "out.h5ad").write_text("old")
    with patch.object(JointEmbeddingModule, "forward", watched), pytest.raises(SystemExit):
        rescue(cells, *OPTIONS, "--out", tmp_path / "out.h5ad")
    assert seen == [["out.h5ad"]] * 3
    assert (tmp_path / "out.h5ad").read_text() == "old"
    assert cells.read_bytes() == before


def test_a_read_only_disk_is_found_before_the_training(cells, mounted, capsys):
    disk = mounted("size=1m")
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a disk cannot be made read-only here: {error.stderr}")
    with quick():
        assert rescue(cells, *OPTIONS, "--out", disk / "out.h5ad") == 2
    assert "may not be written to" in capsys.readouterr().err
