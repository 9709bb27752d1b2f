"""Panels of cells in two dimensions: the parts that all scatter plots share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from lowdepth._checks import at_least, representation, whole

from ._figure import display_name, inches_high, widest, wrapped
from ._palette import MISSING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from numpy.typing import NDArray

OWN_LEGEND_ROWS = 16
"""Legend entries that fit beside a panel of our own size."""

ENTRY_HEIGHT = 0.18
"""Inches that a legend entry takes."""

RASTER_ABOVE = 5000
"""Cells from which a vector file would be slow to open."""


def basis_keys(basis: str | Sequence[str]) -> list[str]:
    """Give the ``obsm`` keys of the panels."""
    keys = [basis] if isinstance(basis, str) else list(basis)
    if not keys:
        msg = "`basis` is empty; name at least one key of adata.obsm"
        raise ValueError(msg)
    return keys


def check_layout(ncols: int, size: float | None) -> None:
    """Check what would fail with a figure already open."""
    whole("ncols", ncols, 1)
    if size is not None:
        at_least("size", size, 0)


def panel_titles(keys: list[str], title: str | Sequence[str] | None) -> list[str]:
    """Give one title for each panel."""
    if title is None:
        return [display_name(key) for key in keys]
    titles = [title] if isinstance(title, str) else list(title)
    if len(titles) != len(keys):
        msg = f"`title` holds {len(titles)} titles for {len(keys)} panels; give one for each key of `basis`"
        raise ValueError(msg)
    return titles


def panel_data(adata: AnnData, keys: list[str], values: pd.Series[Any], layer: NDArray[np.int64]) -> pd.DataFrame:
    """Give each panel's cells in the order of drawing: by layer, shuffled inside of it.

    The shuffle keeps a type that comes late in the file from hiding the others; its seed is
    fixed, so that a figure is the same each time. Cells without a position are left out.
    """
    order = np.random.default_rng(0).permutation(adata.n_obs)
    order = order[np.argsort(layer[order], kind="stable")]
    panels = []
    for panel, key in enumerate(keys):
        positions = representation(adata, key)
        if positions.shape[1] != 2:
            msg = (
                f"adata.obsm[{key!r}] has shape {positions.shape}; a panel shows two dimensions: "
                f"compute them first, e.g. with `ld.tl.tsne(adata, use_rep={key!r})`"
            )
            raise ValueError(msg)
        placed = order[np.isfinite(positions[order]).all(axis=1)]
        panels.append(
            pd.DataFrame(
                {
                    "panel": panel,
                    "x": positions[placed, 0],
                    "y": positions[placed, 1],
                    "value": values.iloc[placed].array,
                    "layer": layer[placed],
                },
                index=adata.obs_names[placed],
            )
        )
    return pd.concat(panels)


def draw_panels(
    axes: list[Axes], data: pd.DataFrame, titles: list[str], *, size: float | None, c: str, **scale: Any
) -> PathCollection:
    """Draw each panel's cells in the order of their rows, coloured by the column ``c``."""
    for ax, title, (_, cells) in zip(axes, titles, data.groupby("panel"), strict=True):
        points = ax.scatter(
            cells["x"],
            cells["y"],
            c=cells[c],
            s=float(np.clip(3000 * inches_high(ax) ** 2 / len(cells), 0.5, 30)) if size is None else size,
            linewidths=0,
            plotnonfinite=True,
            rasterized=len(cells) > RASTER_ABOVE,
            **scale,
        )
        # the square stands at the right of its place: constrained layout then sees how far a legend reaches
        ax.set(title=title, xticks=[], yticks=[], box_aspect=1, anchor="E")
    return points


def dots(values: pd.Series[Any], colors: dict[Hashable, str]) -> pd.Series[str]:
    """Give each cell the colour of its category."""
    return values.astype(object).map(colors).fillna(MISSING)


def legend_entries(values: pd.Series[Any], colors: dict[Hashable, str]) -> dict[str, str]:
    """Give the name and colour of each category that is there, in their order."""
    there = values.unique()
    entries = {wrapped(category): color for category, color in colors.items() if category in there}
    return entries | ({"NA": MISSING} if values.isna().any() else {})


def legend_width(entries: dict[str, str], title: str) -> float:
    """Give the inches that a legend beside panels of our own size takes, roughly."""
    names = math.ceil(len(entries) / OWN_LEGEND_ROWS) * (0.35 + 0.075 * widest(entries))
    return max(names, 0.1 + 0.08 * widest([title]))


def legend_beside(axes: list[Axes], entries: dict[str, str], title: str) -> None:
    """Write one legend of coloured dots to the right of the panels, level with their first row."""
    corner = max(axes, key=lambda ax: (ax.get_position().y1, ax.get_position().x1))
    corner.legend(
        handles=[
            Line2D([], [], linestyle="", marker="o", markersize=6, color=color, label=name)
            for name, color in entries.items()
        ],
        title=title,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        ncols=math.ceil(len(entries) * ENTRY_HEIGHT / inches_high(corner)),
        alignment="left",
        frameon=False,
        fontsize="small",
        handletextpad=0.2,
        columnspacing=1,
    )
