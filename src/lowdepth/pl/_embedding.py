"""Cells in two dimensions, by depth or by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lowdepth._checks import depths, labels, obs_column, one_of
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys

from ._background import depth_colors
from ._figure import finish, square_axes
from ._palette import MISSING, category_colors, record_colors
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
def embedding(
    adata: AnnData,
    basis: str | Sequence[str],
    *,
    color: str | None = None,
    palette: Palette = None,
    cmap: str = "viridis",
    title: str | Sequence[str] | None = None,
    size: float | None = None,
    ncols: int = 3,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show cells in two dimensions, in one or several embeddings with the same colours.

    Parameters
    ----------
    {adata}
    {basis}
    color
        Column of ``obs``: numbers on a colour bar, anything else as categories. ``None``
        shows the depth.
    {category_palette}
    cmap
        Colour map of numbers.
    {panel_params}
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        A key of ``basis`` or the column is missing.
    ValueError
        An embedding does not have two dimensions, or the axes, titles or colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_two_genes"] = adata.X[:, :2].toarray()
    >>> figure = ld.pl.embedding(adata, "X_two_genes", color="cell_type", return_fig=True)
    >>> figure.axes[0].get_title()
    'two_genes'
    >>> plt.close(figure)
    """
    check_layout(ncols, size)
    one_of("cmap", cmap, list(mpl.colormaps))
    keys = basis_keys(basis)
    titles = panel_titles(keys, title)
    column = DepthKeys.log10_umi if color is None else color
    data = _embedding_data(adata, keys, column)
    if isinstance(data["value"].dtype, pd.CategoricalDtype):
        colors = category_colors(adata, column, palette)
        legend = legend_entries(data["value"], colors)
        data["color"] = dots(data["value"], colors)
        axes = square_axes(len(keys), ax, ncols=ncols, legend_width=legend_width(legend, column))
        draw_panels(axes, data, titles, size=size, c="color")
        legend_beside(axes, legend, column)
        record_colors(adata, column, colors)
    else:
        shared_scale = {
            "cmap": depth_colors(cmap).with_extremes(bad=MISSING),
            "norm": Normalize(data["value"].min(), data["value"].max()),
        }
        axes = square_axes(len(keys), ax, ncols=ncols, legend_width=0.7)
        points = draw_panels(axes, data, titles, size=size, c="value", **shared_scale)
        label = "log10(UMI + 1)" if column == DepthKeys.log10_umi else column
        axes[0].figure.colorbar(points, ax=axes, label=label, shrink=0.8, aspect=25, pad=0.02)
    return finish(axes[0] if isinstance(basis, str) else axes, show=show, return_fig=return_fig)


def _embedding_data(adata: AnnData, keys: list[str], column: str) -> pd.DataFrame:
    values = pd.Series(depths(adata, column)) if column == DepthKeys.log10_umi else obs_column(adata, column)
    if is_numeric_dtype(values) and not is_bool_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        values = pd.Series(np.where(np.isfinite(numbers), numbers, np.nan))
        if values.isna().all():
            msg = f"adata.obs[{column!r}] holds no finite number; colour by another column"
            raise ValueError(msg)
    else:
        values = pd.Series(labels(adata, column))
    return panel_data(adata, keys, values, layer=values.notna().to_numpy().astype(np.int64))
