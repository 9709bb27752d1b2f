"""How every plot begins and ends: axes to draw on, and what goes back to the user."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

type Drawn = Axes | list[Axes] | Figure | None
"""What a plot returns."""


def one_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Take the user's axes, or make a figure of this size in inches at matplotlib's own font size."""
    if ax is not None:
        return ax
    ax = plt.subplots(figsize=np.multiply(figsize, _font_scale()), layout="constrained")[1]
    ax.set_axisbelow(True)  # grids, where the user likes them, lie behind the bars
    return ax


def square_axes(n_panels: int, ax: Axes | Sequence[Axes] | None, *, ncols: int, legend_width: float) -> list[Axes]:
    """Take the user's axes, or make a grid of square panels with room for a legend at the right.

    The legend's width is in inches: without that room it would squeeze the panels.
    """
    if ax is not None:
        given = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(given) != n_panels:
            msg = f"`ax` holds {len(given)} axes for {n_panels} panels; give one for each key of `basis`, or `None`"
            raise ValueError(msg)
        return given
    ncols = min(ncols, n_panels)
    nrows = -(-n_panels // ncols)
    figsize = np.multiply((3.6 * ncols + legend_width, 3.8 * nrows), _font_scale())
    figure, grid = plt.subplots(nrows, ncols, figsize=figsize, layout="constrained", squeeze=False)
    for unused in grid.flat[n_panels:]:
        figure.delaxes(unused)
    return list(grid.flat[:n_panels])


def _font_scale() -> float:
    # users set larger fonts for talks, as scanpy's `set_figure_params` does: figures grow with them
    return float(mpl.rcParams["font.size"]) / 10


def finish(axes: Axes | list[Axes], *, show: bool | None, return_fig: bool) -> Drawn:
    """Show the figure or give it back, as the user asked."""
    if show:
        plt.show()
        return None
    if not return_fig:
        return axes
    return (axes if isinstance(axes, Axes) else axes[0]).get_figure(root=True)


def display_name(key: str) -> str:
    """Give an ``obsm`` key as people say it.

    >>> display_name("X_scvi_tsne")
    'scvi_tsne'
    """
    return key.removeprefix("X_")


def umis(number: float) -> str:
    """Give a number of UMIs as people write it.

    >>> umis(1000.0), umis(0.5)
    ('1,000', '0.5')
    """
    return f"{number:,.10g}"


def inches_high(ax: Axes) -> float:
    """Give the height of axes before any layout makes room in them."""
    figure = ax.figure.get_figure(root=True)
    return float(ax.get_position().height * figure.get_figheight())


def wrapped(name: object) -> str:
    r"""Break a long name into lines.

    >>> wrapped("CD8+ effector memory T cells, CD45RA re-expressing")
    'CD8+ effector memory T cells, CD45RA\nre-expressing'
    """
    return textwrap.fill(str(name), 40, break_on_hyphens=False)


def widest(texts: Iterable[str]) -> int:
    r"""Give the number of letters in the longest line.

    >>> widest(["B cell", "T cell\nCD4+"])
    6
    """
    return max(len(line) for text in texts for line in text.splitlines())
