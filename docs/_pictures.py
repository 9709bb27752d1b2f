"""Pictures of the documentation, each in a light and in a dark style."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STYLES = {"light": "default", "dark": "dark_background"}


def in_both_styles(draw: Callable[[], object], path: Path, alt: str) -> str:
    """Draw twice, and give the lines that show the picture of the reader's mode; ``path`` has no ending yet."""
    mpl.use("agg")
    path.parent.mkdir(exist_ok=True)
    lines = []
    for style, sheet in STYLES.items():
        with plt.style.context(sheet):
            draw()
            name = f"{path.name}-{style}.png"
            plt.savefig(path.with_name(name), dpi=110, bbox_inches="tight", transparent=True)
            plt.close("all")
        lines.append(f"```{{image}} /{path.parent.name}/{name}\n:alt: {alt}\n:class: only-{style}\n```")
    return "\n\n".join(lines)
