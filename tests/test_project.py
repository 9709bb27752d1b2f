"""The files around the code: versions agree, the README runs, nothing is in the repository that should not be."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# in pieces, so that this file does not name them either
REGISTRIES = [
    ".".join(pieces)
    for pieces in [("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("download", "pytorch", "org")]
]


@pytest.fixture(scope="module")
def tracked():
    """List the files of the repository."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("needs a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()]


def test_citation_has_the_version_of_the_package():
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text()


def test_changelog_has_the_version_of_the_package():
    assert f"\n## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_no_file_names_a_package_registry(tracked):
    naming = [path.name for path in tracked if any(host.encode() in path.read_bytes() for host in REGISTRIES)]
    assert not naming


def test_files_stay_small(tracked):
    assert not [path.name for path in tracked if path.stat().st_size > 8e6]
    code = [path for path in tracked if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in {"src", "tests"}]
    assert code
    assert not [path.name for path in code if len(path.read_text().splitlines()) > 400]


def test_lock_stays_out_of_the_repository(tracked):
    assert ROOT / "uv.lock" not in tracked


def test_python_version_is_pinned():
    assert (ROOT / ".python-version").read_text() == "3.13\n"


def test_readme_sets_up_with_two_commands():
    commands = [line for line in README.splitlines() if line.startswith("pip install uv && uv run")]
    assert commands == ["pip install uv && uv run lowdepth demo", "pip install uv && uv run pytest"]


@pytest.mark.xdist_group("umap")  # which it draws
def test_readme_quickstart_runs(tmp_path, monkeypatch):
    quickstart = re.search(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)[1]
    assert len(quickstart.splitlines()) <= 20
    monkeypatch.chdir(tmp_path)
    exec(compile(quickstart, "README.md", "exec"), {"__name__": "quickstart"})
