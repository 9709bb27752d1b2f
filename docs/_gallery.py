"""Draws the pictures of the gallery: each code block of the page is run, in a light and in a dark style."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from _pictures import in_both_styles

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PLOT = re.compile(r"\bld\.pl\.(?P<name>\w+)\(")


def draw_gallery(page: str, folder: Path) -> str:
    """Run the blocks one after the other, as a reader would, and put under each that plots what it drew."""
    names: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        *preparation, last = (ast.unparse(statement) for statement in ast.parse(block["code"]).body)
        exec("\n".join(preparation), names)
        plot = PLOT.search(last)
        if plot is None:
            exec(last, names)
            return block[0]
        shown = in_both_styles(partial(exec, last, names), folder / plot["name"], f"ld.pl.{plot['name']}")
        return f"{block[0]}\n\n{shown}"

    return BLOCK.sub(run, page)
