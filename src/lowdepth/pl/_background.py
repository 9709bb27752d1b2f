"""What stands out from the figure's background, light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap, to_rgb

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

DARKEST_SHOWN = 0.2
"""Part of viridis from which on it stands out from black."""


def is_dark() -> bool:
    """Say whether the user's style puts light text on a dark background.

    >>> is_dark()
    False
    """
    face = mpl.rcParams["axes.facecolor"]
    if str(face).lower() == "none":
        face = mpl.rcParams["figure.facecolor"]
    if str(face).lower() == "none":
        # transparent: the text was chosen for what lies behind
        return _lightness(mpl.rcParams["text.color"]) > 0.5
    return _lightness(face) < 0.5


def ink() -> str:
    """Give the colour of lines that have to be as plain as the text."""
    return str(mpl.rcParams["text.color"])


def deep_grey() -> str:
    """Give the colour of cells that are there for orientation only."""
    return "#4d4d4d" if is_dark() else "#d6d6d6"


def depth_colors(cmap: str) -> Colormap:
    """Give a colour map without the part of viridis, the default, that vanishes on a dark background."""
    colors = mpl.colormaps[cmap]
    if cmap == "viridis" and is_dark():
        return ListedColormap(colors(np.linspace(DARKEST_SHOWN, 1, colors.N)), name=cmap)
    return colors


def _lightness(color: str) -> float:
    return float(np.dot(to_rgb(color), (0.299, 0.587, 0.114)))
