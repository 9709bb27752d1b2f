"""Where cells go when they lose UMIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.ticker import NullFormatter

from lowdepth._checks import one_of
from lowdepth._docs import shared_docs
from lowdepth._keys import StabilityKeys

from ._background import deep_grey, depth_colors, ink
from ._decoration import umi_format
from ._figure import finish, square_axes
from ._panels import check_layout, draw_panels, panel_data, panel_titles
from ._path_data import thinning_paths_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn


@shared_docs
def thinning_paths(
    adata: AnnData,
    basis: str,
    *,
    cells: int | Sequence[str] = 8,
    key: str = StabilityKeys.obs,
    cmap: str = "viridis",
    title: str | None = None,
    size: float | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show the way of a few cells through the embedding as they lose UMIs, from their own depth down.

    Stops are the mean embeddings at the depths of :func:`lowdepth.tl.thinning_stability`, coloured by
    depth. t-SNE and UMAP have no place for a point that was not there when they were computed: a
    stop is drawn at the median position of the 15 cells whose own embeddings are nearest to it,
    which keeps to the side of the majority where these lie apart. The way begins at the cell's own
    dot. Where ``basis`` is the embedding itself, of two dimensions, the stops are drawn as they are.

    Parameters
    ----------
    {adata}
    basis
        Key of a two-dimensional array in ``obsm``, made of the embedding that was thinned.
    cells
        Names of cells, or how many: then the deepest cell of each of that many neighbourhoods
        (k-means) of the embedding, among those whose path was followed.
    key
        Name of the slots that :func:`lowdepth.tl.thinning_stability` wrote.
    cmap
        Colour map of depths.
    title
        Title; by default the basis without ``X_``.
    size
        Area of a cell's dot in square points; by default smaller where there are more cells.
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        ``obs["total_umi"]``, the paths, the basis or a cell is missing.
    ValueError
        The basis does not have two dimensions, a cell's path was not followed, or no path was.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> model = ld.tl.joint_embedding(adata, n_latent=2, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.thinning_stability(adata, model, n=3, depths=[100, 30], progress_bar=False)
    >>> ax = ld.pl.thinning_paths(adata, "X_joint_embedding", cells=3)
    >>> plt.close(ax.figure)
    """
    check_layout(1, size)
    one_of("cmap", cmap, list(mpl.colormaps))
    titles = panel_titles([basis], title)
    nothing = pd.Series(0, index=adata.obs_names)
    background = panel_data(adata, [basis], nothing, layer=np.zeros(adata.n_obs, np.int64)).assign(color=deep_grey())
    ways = thinning_paths_data(adata, basis, key, cells)

    axes = square_axes(1, ax, ncols=1, legend_width=0.9)
    draw_panels(axes, background, titles, size=size, c="color")
    for _, way in ways.groupby("cell", sort=False):
        axes[0].plot(way["x"], way["y"], color=ink(), linewidth=0.9, solid_joinstyle="round")
    starts = ~ways["cell"].duplicated()
    stops = axes[0].scatter(
        ways["x"],
        ways["y"],
        c=ways["umi"],
        s=np.where(starts, 50, 22),
        cmap=depth_colors(cmap),
        norm=LogNorm(ways["umi"].min(), ways["umi"].max()),
        edgecolors="white",
        linewidths=0.6,
        zorder=3,
    )
    bar = axes[0].figure.colorbar(stops, ax=axes, shrink=0.8, aspect=25, pad=0.02, format=umi_format())
    bar.set_label("UMIs (large dot: the cell itself)")
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    return finish(axes[0], show=show, return_fig=return_fig)
