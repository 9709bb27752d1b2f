"""How the documentation is built: `uv run --group docs sphinx-build -W docs docs/_build/html`."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from _benchmark_plots import draw_plots  # noqa: E402  which lie beside this file
from _gallery import draw_gallery  # noqa: E402

project = "lowdepth"
author = metadata(project)["Author"]
copyright = f"2026, {author}"
version = release = metadata(project)["Version"]

# notebooks live at the top of the repository, where users look for them, and Sphinx wants them below docs/
shutil.rmtree(HERE / "tutorials", ignore_errors=True)
shutil.copytree(HERE.parent / "tutorials", HERE / "tutorials", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",  # after napoleon
    "sphinx_copybutton",
    "scanpydoc.definition_list_typed_field",
    "scanpydoc.elegant_typehints",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "literal"

autosummary_generate = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = True
typehints_defaults = "braces"
always_use_bars_union = True

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"  # the tutorials are committed as they were run

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# references to lowdepth have to resolve; others become links where the inventories of their packages can be fetched
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!lowdepth\b).*"),
    (r"py:type", r"lowdepth\._.*"),  # aliases of private modules have no page
    (r"py:class", r"lowdepth\.model\.stored\._.*"),  # nor have the parts of StoredCells
]
intersphinx_mapping = (
    {
        "anndata": ("https://anndata.scverse.org/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "scanpy": ("https://scanpy.scverse.org/en/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "scvi": ("https://docs.scvi-tools.org/en/stable/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }
    if {"DOCS_ONLINE", "READTHEDOCS"} & os.environ.keys()
    else {}
)

html_theme = "sphinx_book_theme"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_title = project
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
html_theme_options = {"navbar_persistent": [], "navigation_with_keys": False, "show_toc_level": 2}


def break_lines(*event: Any) -> None:
    """Put each slot that a function writes on a line of its own, with what wraps below it."""
    lines, in_slot = event[-1], False
    for i, line in enumerate(lines):
        starts = line.startswith("``adata.") and "`` : " in line
        in_slot = starts or (in_slot and bool(line.strip()))
        if in_slot:
            lines[i] = f"| {line}" if starts else f"  {line}"


def show_public_bases(*event: Any) -> None:
    """Name scvi-tools' class as the parent of a model, not the private one in between."""
    bases = event[-1]
    bases[:] = [base.__base__ if base.__name__ == "SafelySaved" else base for base in bases]


def draw(_: Sphinx, page: str, source: list[str]) -> None:
    """Put the pictures into the gallery, and plots below the tables that they show."""
    if page == "gallery":
        source[0] = draw_gallery(source[0], HERE / "drawn")
    source[0] = draw_plots(source[0], HERE / "drawn")


def write_formula(translator: Any, node: Any) -> None:
    """Write a formula in the browser's own language: no script to fetch, so that it shows without a network too."""
    display = "inline" if node.tagname == "math" else "block"
    translator.body.append(convert(node.astext(), display=display))
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Look at docstrings before napoleon does, and at bases before the type hints do."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("source-read", draw)
    app.connect("autodoc-process-bases", show_public_bases, priority=0)
    app.connect("autodoc-process-docstring", break_lines, priority=0)
