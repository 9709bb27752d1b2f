"""The documentation's code: what pages call is there and takes these arguments."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import lowdepth as ld

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "how_to").glob("*.md"))]
BESIDE_THE_DOCS = [*sorted(ROOT.glob("*.md")), ROOT / "packaging" / "README.md", ROOT / "workflows" / "README.md"]
OTHER_LANGUAGES = ("rule ",)  # Snakemake's, which is coloured as Python


def code_of(page):
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not block.startswith(OTHER_LANGUAGES)]


def calls_of(code):
    """Find the calls of names that begin with ``ld``, and the names themselves."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("ld."):
            yield ast.unparse(node.func).removeprefix("ld."), node


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_calls_what_is_there(page):
    for code in code_of(page):
        for name, call in calls_of(code):
            function = reduce(getattr, name.split("."), ld)
            keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
            inspect.signature(function).bind(*call.args, **keywords)


@pytest.mark.parametrize("page", BESIDE_THE_DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Sphinx looks after those of the documentation."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    there = [link.partition("#")[0] for link in links if not link.startswith(("http", "#"))]
    assert [link for link in there if not (page.parent / link).exists()] == []


def test_the_gallery_shows_every_plot():
    shown = {name for code in code_of(ROOT / "docs" / "gallery.md") for name, _ in calls_of(code)}
    assert {f"pl.{name}" for name in ld.pl.__all__} <= shown


def test_plots_find_the_numbers_of_their_tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    plots = importlib.import_module("_benchmark_plots")
    asked_for = {
        mark["name"]: plots.last_table(text[: mark.start()])
        for page in PAGES
        for text in [page.read_text()]
        for mark in plots.ASKED_FOR.finditer(text)
    }
    assert asked_for.keys() == plots.PLOTS.keys()
    for rows in asked_for.values():
        assert all(np.isfinite(row.mean).any() for row in rows)
