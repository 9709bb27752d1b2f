"""Draws the pictures of the gallery: each code block of the page is run, in a light and in a dark style."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

STYLES = {"light": "default", "dark": "dark_background"}
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PLOT = re.compile(r"\bld\.pl\.(?P<name>\w+)\(")


def draw_gallery(page: str, folder: Path) -> str:
    """Run the blocks one after the other, as a reader would, and put under each that plots what it drew."""
    mpl.use("agg")
    names: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        *preparation, last = (ast.unparse(statement) for statement in ast.parse(block["code"]).body)
        exec("\n".join(preparation), names)
        plot = PLOT.search(last)
        if plot is None:
            exec(last, names)
            return block[0]
        pictures = []
        for style, sheet in STYLES.items():
            with plt.style.context(sheet):
                exec(last, names)
                picture = folder / f"{plot['name']}-{style}.png"
                plt.savefig(picture, dpi=110, bbox_inches="tight", transparent=True)
                plt.close("all")
            pictures.append(
                f"```{{image}} {picture.parent.name}/{picture.name}\n"
                f":alt: ld.pl.{plot['name']}\n:class: only-{style}\n```"
            )
        return "\n\n".join([block[0], *pictures])

    folder.mkdir(exist_ok=True)
    return BLOCK.sub(run, page)
