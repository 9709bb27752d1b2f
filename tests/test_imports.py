"""Which module may import which, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = "{'lightning', 'matplotlib', 'pooch', 'pynndescent', 'requests', 'scanpy', 'scvi', 'torch'}"
WITHOUT_A_MODEL = "depth_leakage, label_transfer, label_transfer_score, prediction_sets, tsne, umap"


def test_imports_keep_to_the_contracts_of_pyproject():
    """The directions of the house, part by part, are listed under ``tool.importlinter``."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("parts", ["ld", "ld.datasets, ld.pp, ld.tl", f"from lowdepth.tl import {WITHOUT_A_MODEL}"])
def test_import_is_light_and_quiet(parts):
    code = f"import sys, lowdepth as ld; {parts}; print(*{SLOW} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")
