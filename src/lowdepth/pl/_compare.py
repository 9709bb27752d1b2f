"""How well several methods do, seed by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lowdepth._checks import step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import ComparisonKeys

from ._decoration import legend_above, name_rows
from ._figure import finish, one_axes, umis, widest, wrapped
from ._palette import choose_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette

METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
MARKERS = {"accuracy": "o", "balanced_accuracy": "s"}


@shared_docs
def compare(
    adata: AnnData,
    *,
    key: str = ComparisonKeys.uns,
    palette: Palette = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show accuracy and balanced accuracy of each method: a dot for each seed, a line at their mean.

    Below each method's name stand the seconds that it took on average.

    Parameters
    ----------
    {adata}
    key
        Where :func:`lowdepth.tl.compare` put its result in ``uns``.
    palette
        Colours of ``"accuracy"`` and ``"balanced_accuracy"``: a palette's name, a list, or a mapping.
    names
        Names to show for methods.
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        Methods have not been compared.
    ValueError
        The colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(300, 300, median_umi=3000, rng=0)
    >>> compared = ld.tl.compare(adata, "cell_type", methods=["pca"], seeds=2, n_latent=8)
    >>> ax = ld.pl.compare(adata)
    >>> plt.close(ax.figure)
    """
    record = step_record(adata, key, "per_seed", "overall", "params", step="ld.tl.compare(adata, label_key)")
    data = _compare_data(record)
    colors = choose_colors(palette, list(METRICS))
    seconds = record["overall"]["seconds"]
    methods = [str(method) for method in record["params"]["methods"]]
    ticks = [f"{wrapped((names or {}).get(method, method))}\n({_seconds(seconds[method])})" for method in methods]

    ax = one_axes(ax, (4.5 + 0.075 * widest(ticks), 1.2 + 0.55 * len(methods)))
    for place, (metric, label) in enumerate(METRICS.items()):
        own = data[data["metric"] == metric]
        y = own["row"] + (place - 0.5) * 0.36
        style: dict[str, Any] = {"color": colors[metric], "linewidths": 0, "alpha": 0.7}
        ax.scatter(own["value"], y, 26, marker=MARKERS[metric], label=label, **style)
        means = own.groupby("row")["value"].mean()
        middle = means.index + (place - 0.5) * 0.36
        ax.vlines(means, middle - 0.17, middle + 0.17, color=colors[metric], linewidth=2)
    name_rows(ax, ticks)
    ax.set_xlabel(f"labels recovered below {umis(record['params']['low_umi'])} UMIs")
    legend_above(ax, ncols=2)
    return finish(ax, show=show, return_fig=return_fig)


def _seconds(number: float) -> str:
    """Give a duration with as many digits as matter.

    >>> _seconds(0.518), _seconds(1234.4)
    ('0.52 s', '1,234 s')
    """
    return f"{number:.2g} s" if number < 10 else f"{number:,.0f} s"


def _compare_data(record: Any) -> pd.DataFrame:
    """Give one row for each dot; rows of the plot are methods, in the order in which they were compared."""
    row = {str(method): place for place, method in enumerate(record["params"]["methods"])}
    table = record["per_seed"].astype({"method": str})
    data = table.melt(["method", "seed"], list(METRICS), var_name="metric")
    return data.assign(row=data["method"].map(row))
