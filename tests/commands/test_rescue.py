"""The whole job from a shell: results, exit codes, and what is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import chdir
from unittest.mock import patch

import anndata as ad
import numpy as np
import pytest
from rescue_command import OPTIONS, SETTINGS, rescue

import lowdepth as ld
from lowdepth.model._module import JointEmbeddingModule

# two epochs teach little: the recommendation says so
pytestmark = pytest.mark.filterwarnings("ignore:Of deep cells thinned")


def same_results(one, other):
    for key in ("X_joint_embedding", "X_joint_embedding_refined", "label_transfer_probability"):
        np.testing.assert_allclose(one.obsm[key], other.obsm[key], rtol=1e-4, atol=1e-5)
    assert (one.obs["keep"] == other.obs["keep"]).all()


def test_output_holds_every_step_and_nothing_else_is_left(done):
    assert sorted(path.name for path in done.iterdir()) == ["out.h5ad", "page.html"]
    adata = ad.read_h5ad(done / "out.h5ad")
    assert {"X_joint_embedding", "X_joint_embedding_refined", "label_transfer_probability"} <= set(adata.obsm)
    assert {"total_umi", "label_transfer", "label_transfer_confidence", "keep"} <= set(adata.obs)
    assert adata.uns["rescue"]["params"] == {"file": "cells.h5ad", "min_umi": 20, "rng": 0}


def test_result_is_that_of_the_functions(cells, done):
    adata = ad.read_h5ad(cells)
    model = ld.tl.joint_embedding(adata, **SETTINGS, refine=True, accelerator="cpu", progress_bar=False)
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=500)
    rescued = ad.read_h5ad(done / "out.h5ad")
    np.testing.assert_allclose(adata.obsm["X_joint_embedding"], rescued.obsm["X_joint_embedding"], atol=1e-4)
    assert (adata.obs["label_transfer"] == rescued.obs["label_transfer"]).mean() > 0.99


def test_report_has_its_sections(done):
    page = (done / "page.html").read_text(encoding="utf-8")
    for heading in ("Depth", "Shallow cells in the embedding", "Recovery curve", "Calibration", "Rescued cells"):
        assert f">{heading}</h2>" in page
    assert "<h1>Cells with few UMIs: cells.h5ad</h1>" in page


def test_a_finished_embedding_is_taken_up(cells, done, interrupted, capsys):
    with patch.object(ld.tl, "joint_embedding", side_effect=RuntimeError("trained again")):
        assert rescue(cells, *OPTIONS, "--out", interrupted) == 0
    said = capsys.readouterr()
    assert "taking up the embedding" in said.out
    assert "it/s" not in said.err  # `--no-progress`
    assert "cell/s" not in said.err
    assert [path.name for path in interrupted.parent.iterdir()] == ["out.h5ad"]
    same_results(ad.read_h5ad(interrupted), ad.read_h5ad(done / "out.h5ad"))


@pytest.mark.parametrize("change", [["--seed", "1"], ["--max-epochs", "1"]])
def test_an_embedding_of_other_settings_is_not(cells, interrupted, change):
    with (
        patch.object(ld.tl, "joint_embedding", side_effect=RuntimeError("trained again")),
        pytest.raises(RuntimeError, match="trained again"),
    ):
        rescue(cells, *OPTIONS, *change, "--out", interrupted)


def test_an_embedding_of_other_cells_is_not(cells, interrupted, tmp_path):
    adata = ad.read_h5ad(cells)
    adata.X.data[0] += 1
    adata.write_h5ad(tmp_path / "others.h5ad")
    with (
        patch.object(ld.tl, "joint_embedding", side_effect=RuntimeError("trained again")),
        pytest.raises(RuntimeError, match="trained again"),
    ):
        rescue(tmp_path / "others.h5ad", *OPTIONS, "--out", interrupted)


def test_zarr_in_and_out_without_labels(cells, tmp_path):
    ad.read_h5ad(cells).write_zarr(tmp_path / "cells.zarr")
    words = ["--low-umi", 500, "--max-epochs", 1, "--accelerator", "cpu", "--no-progress", "--min-umi", 200]
    for _ in range(2):
        assert rescue(tmp_path / "cells.zarr", *words, "--out", tmp_path / "out.zarr") == 0
    adata = ad.read_zarr(tmp_path / "out.zarr")
    assert adata.obs["total_umi"].min() >= 200
    assert 0 < adata.n_obs < 300
    assert "label_transfer" not in adata.obs
    assert set(adata.obs["keep"]) <= {"keep", "flag", "drop"}  # by clusters of the deep cells
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.zarr", "out.zarr"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label-key", "cell_typ"], "there is no label column 'cell_typ'"),
        (["--batch-key", "bach"], "there is no column 'bach'"),
        (["--layer", "counts"], "there is no layer 'counts'"),
        (["--low-umi", "1e6"], "no deep cell"),
        (["--min-umi", "1e6"], "would drop every cell"),
        (["--out", "out.csv"], "'out.csv' ends neither in .h5ad nor in .zarr"),
        (["--out", "nowhere/out.h5ad"], "there is no folder 'nowhere'"),
        (["--out", "cells.h5ad"], "is the input"),
        (["--report", "out.h5ad"], "`--out` and `--report` are both"),
        (["--report", "cells.h5ad"], "is the input"),
    ],
)
def test_bad_input_is_answered_with_one_line_and_code_2(cells, tmp_path, capsys, words, message):
    shutil.copy(cells, tmp_path)
    with chdir(tmp_path):
        assert rescue("cells.h5ad", *OPTIONS, "--out", "out.h5ad", *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("lowdepth: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


@pytest.mark.parametrize("column", ["keep", "label_transfer"])
def test_a_column_of_the_user_s_is_not_written_over(cells, tmp_path, capsys, column):
    adata = ad.read_h5ad(cells)
    adata.obs[column] = "mine"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with patch.object(ld.tl, "joint_embedding", side_effect=RuntimeError("trained")):
        assert rescue(tmp_path / "cells.h5ad", *OPTIONS, "--out", tmp_path / "out.h5ad") == 2
    assert f"adata.obs['{column}'] is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "message"), [("none.h5ad", "there is no"), ("broken.h5ad", "'")])
def test_an_input_that_cannot_be_read(tmp_path, capsys, name, message):
    (tmp_path / "broken.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert rescue(tmp_path / name, "--out", tmp_path / "out.h5ad") == 2
    assert f"lowdepth: error: {message}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.h5ad"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot signal itself there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_whoever_ends_the_training_sees_the_code_of_a_shell(number, code, cells, tmp_path):
    forward = JointEmbeddingModule.forward

    def ended(module, *tensors, **options):
        os.kill(os.getpid(), number)
        return forward(module, *tensors, **options)

    with patch.object(JointEmbeddingModule, "forward", ended), pytest.raises(SystemExit) as stop:
        rescue(cells, *OPTIONS, "--out", tmp_path / "out.h5ad")
    assert stop.value.code == code
    assert not list(tmp_path.iterdir())


def test_handlers_of_signals_are_left_as_they_were(cells, tmp_path):
    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.getsignal(number) for number in numbers]
    assert rescue(tmp_path / "none.h5ad", "--out", tmp_path / "out.h5ad") == 2
    assert [signal.getsignal(number) for number in numbers] == before


def test_unknown_options_have_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        rescue("cells.h5ad", "--nonsense")
    assert stop.value.code == 2
    assert "usage: lowdepth rescue" in capsys.readouterr().err
