"""For every test: no network, figures without a screen that end with their test, a fixed budget for hypothesis."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import settings
from offline import refuse_network

os.environ["MPLBACKEND"] = "Agg"


refuse_network()
settings.register_profile("lowdepth", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("fuzz", max_examples=6000, deadline=None)
settings.load_profile("lowdepth")  # unless the command names another: --hypothesis-profile fuzz


def pytest_collection_modifyitems(items):
    """Let one of pytest-xdist's workers run all that needs UMAP: it takes 20 seconds to import and to compile."""
    for item in items:
        if "umap" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("umap"))


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def mounted(tmp_path):
    """Give a way to mount a small disk."""
    point = tmp_path / "disk"
    point.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a small disk cannot be mounted here: {getattr(error, 'stderr', None) or error}")
        return point

    yield mount
    # lazily: whatever a failed test has left open there
    subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
