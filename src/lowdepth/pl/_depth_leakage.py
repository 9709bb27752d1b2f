"""How much of each representation is depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from lowdepth._checks import step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import LeakageKeys

from ._decoration import legend_above, name_rows
from ._figure import display_name, finish, one_axes, widest
from ._palette import choose_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette

METRICS = {
    "r2": "depth that can be read off\n(held-out R²)",
    "r2_within_type": "the same within types",
    "knn_mixing": "neighbours of one depth\n(1 - kNN mixing)",
    "knn_mixing_within_type": "the same within types",
    "cluster_variance": "variance between clusters\nalong depth",
}
"""The rows of the plot, from top to bottom."""


@shared_docs
def depth_leakage(
    adata: AnnData,
    *,
    key: str = LeakageKeys.uns,
    palette: Palette = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show how much of each representation is depth: the longer a bar, the more of it.

    Figures below zero, which chance gives where there is no depth, are drawn as zero.

    Parameters
    ----------
    {adata}
    key
        Where :func:`lowdepth.tl.depth_leakage` put its result in ``uns``.
    {representation_looks}
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        Depth leakage has not been measured.
    ValueError
        The colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_genes"] = adata.X[:, :50].toarray()
    >>> leakage = ld.tl.depth_leakage(adata, "X_genes", label_key="cell_type")
    >>> ax = ld.pl.depth_leakage(adata, names={"X_genes": "50 genes"})
    >>> plt.close(ax.figure)
    """
    record = step_record(adata, key, "overall", "params", step="ld.tl.depth_leakage(adata, use_rep)")
    data = _depth_leakage_data(record)
    keys = list(record["params"]["use_rep"])
    colors = choose_colors(palette, keys)
    shown = {rep: (names or {}).get(rep, display_name(rep)) for rep in keys}
    ticks = data.drop_duplicates("row")["metric"].map(METRICS).to_list()

    row = max(0.08 + 0.12 * len(keys), 0.42)
    ax = one_axes(ax, (4.5 + 0.075 * widest(ticks), 0.8 + 0.2 * len(keys) + row * len(ticks)))
    height = 0.8 / len(keys)
    for place, rep in enumerate(keys):
        bars = data[data["representation"] == rep]
        y = bars["row"] + (place - (len(keys) - 1) / 2) * height
        ax.barh(y, bars["leakage"], height, color=colors[rep], label=shown[rep])
    name_rows(ax, ticks)
    ax.set_xlabel("share that is depth")
    legend_above(ax)
    return finish(ax, show=show, return_fig=return_fig)


def _depth_leakage_data(record: Any) -> pd.DataFrame:
    """Give one row for each bar; 1 is nothing but depth in all of them."""
    table = record["overall"][[name for name in METRICS if name in record["overall"]]].copy()
    mixing = [name for name in table if name.startswith("knn_mixing")]
    table[mixing] = 1 - table[mixing]
    data = table.clip(0, 1).rename_axis("representation").reset_index()
    data = data.melt("representation", var_name="metric", value_name="leakage")
    return data.assign(row=pd.factorize(data["metric"])[0])
