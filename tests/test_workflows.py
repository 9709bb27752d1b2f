"""The command in the workflow engines that people run it with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import pytest

import lowdepth as ld
from lowdepth.__main__ import main

WORKFLOWS = Path(__file__).parents[1] / "workflows"
MODULE = WORKFLOWS / "nextflow" / "modules" / "local" / "lowdepth" / "rescue"

# the command of these tests' own environment, also in what the engines start
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

needs_snakemake = pytest.mark.skipif(shutil.which("snakemake") is None, reason="needs `uv tool install snakemake`")


@pytest.fixture
def project(tmp_path):
    """Lay out a workflow of one sample."""
    (tmp_path / "Snakefile").write_text(
        f'include: "{WORKFLOWS / "snakemake" / "lowdepth.smk"}"\nrule all:\n    input: "rescued/donor 1.h5ad"\n'
    )
    (tmp_path / "counts").mkdir()
    ld.datasets.simulate(200, 150, n_types=3, rng=0).write_h5ad(tmp_path / "counts" / "donor 1.h5ad")
    return tmp_path


def snakemake(project, *words):
    options = "--label-key cell_type --max-epochs 1 --low-umi 500 --accelerator cpu"
    command = ["snakemake", "all", "--cores", "1", "--config", f"lowdepth={options}", *words]
    run = subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    log = project / "logs" / "lowdepth" / "donor 1.log"
    assert run.returncode == 0, run.stdout + run.stderr + (log.read_text() if log.exists() else "")
    return run.stdout + run.stderr


@needs_snakemake
def test_snakemake_plans_the_rule_with_its_command(project):
    plan = snakemake(project, "--dry-run", "--printshellcmds")
    assert "lowdepth rescue 'counts/donor 1.h5ad' --out 'rescued/donor 1.h5ad'" in plan
    assert "--no-progress --label-key cell_type --max-epochs 1" in plan


@needs_snakemake
def test_snakemake_runs_the_rule(project):
    snakemake(project)
    adata = ad.read_h5ad(project / "rescued" / "donor 1.h5ad")
    assert {"label_transfer", "keep"} <= set(adata.obs)
    assert (project / "rescued" / "donor 1.html").exists()
    assert "shallow cells: keep" in (project / "logs" / "lowdepth" / "donor 1.log").read_text()


def nextflow_block(name):
    """Give a block of the module's shell code as Nextflow would run it, for a sample of one file."""
    code = re.search(
        rf'^    {name}:\n.*?"""\n(.*?)^    """$', (MODULE / "main.nf").read_text(), re.DOTALL | re.MULTILINE
    )
    values = {"cells": "cells.h5ad", "prefix": "one_rescued", "args": "--label-key cell_type", "task.cpus": "1"}
    values["task.process"] = "LOWDEPTH_RESCUE"
    code = re.sub(r"(?<!\\)\$\{([\w.]+)\}", lambda match: values[match[1]], code[1]).replace("\\$", "$")
    return "".join(line.removeprefix("    ") for line in code.splitlines(keepends=True))


def bash(code, folder):
    return subprocess.run(["bash", "-eu", "-c", code], cwd=folder, env=ENVIRONMENT, check=True)


@pytest.mark.skipif(shutil.which("nextflow") is None, reason="needs nextflow, which no Python index has")
def test_nextflow_runs_the_module(tmp_path):
    shutil.copytree(MODULE, tmp_path / "rescue")
    (tmp_path / "main.nf").write_text(
        "include { LOWDEPTH_RESCUE } from './rescue/main'\n"
        "workflow { LOWDEPTH_RESCUE(channel.of([[id: 'one'], file('one.h5ad')])) }\n"
    )
    (tmp_path / "one.h5ad").touch()
    subprocess.run(["nextflow", "run", "main.nf", "-stub"], cwd=tmp_path, env=ENVIRONMENT, check=True)


def test_nextflow_script_calls_the_command_with_options_that_it_has(monkeypatch):
    taken = {}
    monkeypatch.setattr("lowdepth.__main__.rescue", lambda **options: taken.update(options))
    command = re.search(r"^lowdepth (rescue .*)$", nextflow_block("script"), re.MULTILINE)[1]
    assert main(command.split()) == 0
    assert (taken["file"], taken["out"], taken["report"]) == tuple(
        map(Path, ("cells.h5ad", "one_rescued.h5ad", "one_rescued.html"))
    )
    assert taken["progress_bar"] is False


def test_nextflow_stub_gives_what_the_module_puts_out(tmp_path):
    bash(nextflow_block("stub"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one_rescued.h5ad", "one_rescued.html", "versions.yml"]
    assert (tmp_path / "versions.yml").read_text() == f'"LOWDEPTH_RESCUE":\n    lowdepth: {ld.__version__}\n'


def test_nextflow_blocks_are_balanced():
    code = (MODULE / "main.nf").read_text()
    assert code.count('"""') == 4
    for opening, closing in ("{}", "()", "[]"):
        assert code.count(opening) == code.count(closing)
