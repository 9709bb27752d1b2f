"""One colour for each category, safe for colour-blind readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import is_color_like, to_hex
from scanpy.plotting.palettes import godsnot_102

from lowdepth._checks import labels, one_of
from lowdepth._keys import colors_key

from ._background import is_dark

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from anndata import AnnData

type Palette = str | Sequence[str] | Mapping[Any, str] | None
"""Colours of categories: a palette's name, a list, a mapping by category, or the default."""

# The colours of Okabe and Ito (2008) without black, continued: each next colour is the one farthest from those
# before, from white and from the greys below, in OKLab and for normal, deuteranopic and protanopic eyes at once
# (Machado et al. 2009). The least distance between two of the first 13 is 7.6 to the worst of these eyes; it is
# 2.3 in scanpy's default_20 and 1.2 in zeileis_28, and petroff10 ends at ten, with a grey.
COLORS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"),
    *("#7a0043", "#0000bc", "#6f21ff", "#7a4e00", "#907aff", "#16436f", "#43d385"),
    *("#9b4e7a", "#d300bc", "#ff436f", "#c80043", "#6f379b", "#ff7ad3", "#37644e"),
    *("#434300", "#e9bcff", "#4e0b90", "#5964de", "#9be985", "#430bde", "#e9a6bc"),
)

N_SHARED = 7
"""Colours that stand out from white and from black."""

COLORS_ON_DARK = (
    *COLORS[:N_SHARED],
    *("#c3d2b4", "#3c2dff", "#5a87ff", "#b4d2ff", "#964b00", "#a5b487", "#5a695a"),
    *("#d200b4", "#e1c369", "#3c5a87", "#69c3c3", "#5a69e1", "#6996d2", "#786987"),
    *("#f0694b", "#1ea5ff", "#0f87d2", "#870fd2", "#00a54b", "#00960f", "#d2d200"),
)
"""The same on black, continued with colours of a contrast to it of 3 at least; the least distance of all is 5.4."""

MISSING = "#a8a8a8"
"""Cells without a label."""


def category_colors(adata: AnnData, key: str, palette: Palette) -> dict[Hashable, str]:
    """Choose the colours of an ``obs`` column.

    The user's palette goes first, then the colours in ``uns``, then the default.
    """
    categories = labels(adata, key).categories.to_list()
    stored = _stored(adata, key)
    return choose_colors(stored if palette is None and len(stored) >= len(categories) else palette, categories)


def record_colors(adata: AnnData, key: str, colors: dict[Hashable, str]) -> None:
    """Write the colours where scanpy looks for them, unless they are there.

    A view passes with the plot, and writing into it would copy the data.
    """
    if not adata.is_view and _stored(adata, key)[: len(colors)] != list(colors.values()):
        adata.uns[colors_key(key)] = list(colors.values())


def _stored(adata: AnnData, key: str) -> list[str]:
    stored = adata.uns.get(colors_key(key))
    if isinstance(stored, Mapping):
        stored = [stored.get(category, "") for category in labels(adata, key).categories]
    stored = () if stored is None else stored
    colors = [to_hex(color) for color in stored] if all(map(is_color_like, stored)) else []
    # the default of a notebook in the other style would be pale in this one
    other = COLORS if is_dark() else COLORS_ON_DARK
    return [] if len(colors) > N_SHARED and colors == list(other[: len(colors)]) else colors


def choose_colors(palette: Palette, categories: Sequence[Any]) -> dict[Any, str]:
    """Give each category its colour in a palette.

    >>> choose_colors(None, ["B cell", "T cell"])
    {'B cell': '#0072b2', 'T cell': '#e69f00'}
    """
    if palette is None:
        default = COLORS_ON_DARK if is_dark() else COLORS
        palette = default if len(categories) <= len(default) else godsnot_102
    if isinstance(palette, str):
        palette = _named(palette, len(categories))
    if isinstance(palette, Mapping):
        absent = [category for category in categories if category not in palette]
        if absent:
            msg = f"`palette` has no colour for {absent[0]!r}; it needs one for each of {len(categories)} categories"
            raise ValueError(msg)
        palette = [palette[category] for category in categories]
    if len(palette) < len(categories):
        msg = f"{len(palette)} colours for {len(categories)} categories; give more, or a coarser column"
        raise ValueError(msg)
    bad = [color for color in palette if not is_color_like(color)]
    if bad:
        msg = f"`palette` holds {bad[0]!r}, which is no colour; give names or hexadecimal codes that matplotlib knows"
        raise ValueError(msg)
    return dict(zip(categories, map(to_hex, palette), strict=False))


def _named(palette: str, n_colors: int) -> Sequence[Any]:
    one_of("palette", palette, [*mpl.color_sequences, *mpl.colormaps])
    if palette in mpl.color_sequences:
        return mpl.color_sequences[palette]
    return list(mpl.colormaps[palette](np.linspace(0, 1, n_colors)))
