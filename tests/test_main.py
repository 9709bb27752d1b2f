"""The command runs the public functions and shows what they found."""

from __future__ import annotations

import pytest

import lowdepth as ld
from lowdepth.__main__ import main


def test_demo_prints_the_table_and_writes_the_figures(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(ld.datasets, "pbmc3k", lambda: ld.datasets.simulate(200, 200, median_umi=3000, rng=0))
    main(["demo", "--out", str(tmp_path / "figures"), "--max-epochs", "1"])
    printed = capsys.readouterr().out
    for text in (
        "SCVI",
        "joint embedding as published",
        "lowdepth",
        "accuracy",
        "balanced accuracy",
        "cells rescued",
        str(tmp_path),
    ):
        assert text in printed
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "umi_histogram.png",
        "tsne_depth.png",
        "tsne_cell_type.png",
        "low_umi_overlay.png",
        "label_recovery.png",
    }


def test_a_command_is_needed(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "usage: lowdepth" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"lowdepth {ld.__version__}\n")
