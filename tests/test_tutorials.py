"""The tutorials run from the first cell to the last, and were committed as they ran."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIALS = Path(__file__).parents[1] / "tutorials"
offline = pytest.mark.parametrize(
    "name",
    [
        "rescue_low_umi_cells.ipynb",
        "which_cells_to_keep.ipynb",
        "labels_with_confidence.ipynb",
        "map_new_cells.ipynb",
        "start_from_scvi_or_scanpy.ipynb",
        "out_of_core_and_gpu.ipynb",
    ],
)


def read(name):
    return nbformat.read(TUTORIALS / name, as_version=4)


@offline
def test_an_offline_tutorial_was_executed(name):
    cells = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_the_tutorial_that_downloads_says_that_it_was_not():
    notebook = read("gse310923.ipynb")
    assert "This notebook was not executed" in notebook.cells[0].source
    assert not any(cell.get("outputs") for cell in notebook.cells)


@offline
@pytest.mark.slow
def test_an_offline_tutorial_runs(name):
    NotebookClient(read(name), timeout=1200).execute()
