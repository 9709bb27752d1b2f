"""Where the shallow cells lie, on top of the deep ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lowdepth._checks import at_least, depths, labels
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys

from ._background import deep_grey
from ._figure import finish, square_axes, umis
from ._palette import category_colors, record_colors
from ._panels import (
    basis_keys,
    check_layout,
    dots,
    draw_panels,
    legend_beside,
    legend_entries,
    legend_width,
    panel_data,
    panel_titles,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette


@shared_docs
def low_umi_overlay(
    adata: AnnData,
    basis: str | Sequence[str],
    *,
    color: str,
    low_umi: float = 1000,
    palette: Palette = None,
    title: str | Sequence[str] | None = None,
    size: float | None = None,
    ncols: int = 3,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show whether shallow cells lie with their own kind: coloured on top of grey deep cells.

    Parameters
    ----------
    {adata}
    {basis}
    color
        Column of ``obs`` with the type of each cell.
    {low_umi}
    {category_palette}
    {panel_params}
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        ``obs["total_umi"]``, a key of ``basis`` or the column is missing.
    ValueError
        No cell is below ``low_umi``, an embedding does not have two dimensions, or the axes,
        titles or colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_two_genes"] = adata.X[:, :2].toarray()
    >>> cutoff = adata.obs["total_umi"].median()
    >>> figure = ld.pl.low_umi_overlay(adata, "X_two_genes", color="cell_type", low_umi=cutoff, return_fig=True)
    >>> plt.close(figure)
    """
    check_layout(ncols, size)
    at_least("low_umi", low_umi, 0)
    keys = basis_keys(basis)
    titles = panel_titles(keys, title)
    data = _low_umi_overlay_data(adata, keys, color, low_umi=low_umi)
    colors = category_colors(adata, color, palette)
    shallow = data["layer"] > 0
    data["color"] = dots(data["value"], colors).where(shallow, deep_grey())
    legend = legend_entries(data["value"][shallow], colors)
    if not shallow.all():
        legend[f"{umis(low_umi)} UMIs or more"] = deep_grey()
    legend_title = f"{color} of cells\nbelow {umis(low_umi)} UMIs"

    axes = square_axes(len(keys), ax, ncols=ncols, legend_width=legend_width(legend, legend_title))
    draw_panels(axes, data, titles, size=size, c="color")
    legend_beside(axes, legend, legend_title)
    record_colors(adata, color, colors)
    return finish(axes[0] if isinstance(basis, str) else axes, show=show, return_fig=return_fig)


def _low_umi_overlay_data(adata: AnnData, keys: list[str], color: str, *, low_umi: float) -> pd.DataFrame:
    total = depths(adata, DepthKeys.total_umi)
    shallow = total < low_umi
    if not shallow.any():
        msg = f"no cell has fewer UMIs than `low_umi={low_umi}`: the shallowest has {total.min():.0f}; raise `low_umi`"
        raise ValueError(msg)
    values = pd.Series(labels(adata, color))
    # deep cells lie underneath, then shallow ones without a label, and on top those with one
    layer = shallow.astype(np.int64) + (shallow & values.notna().to_numpy())
    return panel_data(adata, keys, values, layer)
