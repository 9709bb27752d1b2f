"""How many cells a cutoff costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lowdepth._checks import at_least, depths, labels, whole
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys

from ._background import ink
from ._decoration import log_umi_axis, open_frame
from ._figure import finish, one_axes, umis, widest, wrapped
from ._palette import COLORS, category_colors, record_colors

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._figure import Drawn
    from ._palette import Palette

ALL_CELLS = "all cells"


@shared_docs
def umi_histogram(
    adata: AnnData,
    *,
    low_umi: float = 1000,
    n_bins: int = 100,
    groupby: str | None = None,
    palette: Palette = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show how deep the cells are, and which share of them lies below a cutoff.

    Parameters
    ----------
    {adata}
    {low_umi}
    n_bins
        Number of bins, of equal width on the logarithmic axis. A cell without any UMI is
        counted in the bin of one UMI.
    groupby
        Column of ``obs``: one outline for each of its categories, in place of one histogram
        of all cells.
    {category_palette}
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        ``obs["total_umi"]`` or the column of the groups is missing.
    ValueError
        ``low_umi`` or ``n_bins`` is below one.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> ax = ld.pl.umi_histogram(adata, low_umi=500)
    >>> ax.get_xlabel()
    'UMIs per cell'
    >>> plt.close(ax.figure)
    """
    at_least("low_umi", low_umi, 1)
    whole("n_bins", n_bins, 1)
    data = _umi_histogram_data(adata, n_bins=n_bins, groupby=groupby)
    colors = {} if groupby is None else category_colors(adata, groupby, palette)

    if groupby is None:
        ax = one_axes(ax, (6, 3.4))
        ax.stairs(data["n_cells"], _edges(data), fill=True, color=COLORS[0])
    else:
        below = _percent_below(adata, low_umi=low_umi, groupby=groupby)
        shown = {group: wrapped(f"{group} ({percent:.1f} % below)") for group, percent in below.items()}
        ax = one_axes(ax, (5.5 + 0.075 * widest(shown.values()), 3.4))
        for group, bins in data.groupby("group", sort=False):
            ax.stairs(bins["n_cells"], _edges(bins), color=colors[group], linewidth=1.5, label=shown[group])
        ax.legend(
            title=groupby, loc="upper left", bbox_to_anchor=(1, 1), alignment="left", frameon=False, fontsize="small"
        )
        record_colors(adata, groupby, colors)
    log_umi_axis(ax)
    _mark_cutoff(ax, low_umi, _percent_below(adata, low_umi=low_umi, groupby=None)[ALL_CELLS])
    ax.set(xlabel="UMIs per cell", ylabel="cells")
    open_frame(ax)
    return finish(ax, show=show, return_fig=return_fig)


def _umi_histogram_data(adata: AnnData, *, n_bins: int, groupby: str | None) -> pd.DataFrame:
    total = np.maximum(depths(adata, DepthKeys.total_umi), 1)
    low, high = total.min(), total.max()
    if low == high:
        low, high = low / 2, high * 2
    edges = np.geomspace(low, high, n_bins + 1)
    bins = pd.DataFrame({"umi_low": edges[:-1], "umi_high": edges[1:]})
    counts = {group: np.histogram(total[cells], edges)[0] for group, cells in _groups(adata, groupby)}
    data = pd.concat([bins.assign(n_cells=n_cells) for n_cells in counts.values()], ignore_index=True)
    data.insert(0, "group", np.repeat(np.array(list(counts), dtype=object), n_bins))
    return data


def _percent_below(adata: AnnData, *, low_umi: float, groupby: str | None) -> dict[object, float]:
    low = depths(adata, DepthKeys.total_umi) < low_umi
    return {group: 100 * float(low[cells].mean()) for group, cells in _groups(adata, groupby)}


def _groups(adata: AnnData, groupby: str | None) -> list[tuple[object, NDArray[np.bool_]]]:
    if groupby is None:
        return [(ALL_CELLS, np.full(adata.n_obs, fill_value=True))]
    column = labels(adata, groupby)
    return [(group, column == group) for group in column.categories if (column == group).any()]


def _edges(bins: pd.DataFrame) -> NDArray[np.float64]:
    return np.append(bins["umi_low"], bins["umi_high"].iloc[-1])


def _mark_cutoff(ax: Axes, low_umi: float, percent: float) -> None:
    ax.axvline(low_umi, color=ink(), linestyle="--", linewidth=1)
    # the text stands in free space above the highest bin, on the side where there is more room
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
    left, right = np.log10(ax.get_xlim())
    room_left = np.log10(low_umi) > (left + right) / 2
    ax.annotate(
        f"{percent:.1f} % of cells\nbelow {umis(low_umi)} UMIs",
        xy=(low_umi, 1),
        xycoords=ax.get_xaxis_transform(),
        xytext=(-5 if room_left else 5, -5),
        textcoords="offset points",
        ha="right" if room_left else "left",
        va="top",
    )
