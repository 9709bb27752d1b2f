"""How many cells are recognised at each depth, as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._checks import one_of, step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import CurveKeys

from ._decoration import legend_right, log_umi_axis, open_frame
from ._figure import finish, one_axes, umis, widest, wrapped
from ._palette import choose_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette

METRICS = {"accuracy": "share of cells recognised", "balanced_accuracy": "mean recall of the types", "recall": "recall"}
MARKERS = "osD^vP*X"


@shared_docs
def recovery_curve(
    adata: AnnData,
    *,
    metric: str = "accuracy",
    model: str | None = None,
    key: str = CurveKeys.uns,
    palette: Palette = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show how many cells are recognised at each depth, with 95 % intervals as bands.

    After :func:`lowdepth.tl.recommend_cutoff` the target and the cutoff are drawn too.

    Parameters
    ----------
    {adata}
    metric
        ``"accuracy"`` or ``"balanced_accuracy"``, one curve for each model; ``"recall"``, one curve for
        each type.
    model
        Whose recall to show; by default the last model's.
    key
        Where :func:`lowdepth.tl.recovery_curve` put its result in ``uns``, or ``"keep"``, where
        :func:`lowdepth.tl.recommend_cutoff` put its own.
    palette
        Colours of the curves: a palette's name, a list, or a mapping by model or type.
    names
        Names to show for models or types.
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        There is no such record, or it has no curve.
    ValueError
        There is no such metric or model; the colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> curve = ld.tl.recovery_curve(adata, model, "cell_type", low_umi=500, progress_bar=False)
    >>> ax = ld.pl.recovery_curve(adata)
    >>> plt.close(ax.figure)
    """
    one_of("metric", metric, list(METRICS))
    step = "ld.tl.recovery_curve(adata, model, label_key)"
    record = step_record(adata, key, "overall", "params", step=step)
    data = _recovery_curve_data(record, metric, model)
    curves = list(data["curve"].unique())
    colors = choose_colors(palette, curves)
    shown = {curve: wrapped((names or {}).get(curve, curve)) for curve in curves}

    ax = one_axes(ax, (5.2 + 0.075 * widest(shown.values()), max(3.4, 0.8 + 0.22 * len(curves))))
    for place, curve in enumerate(curves):
        own = data[data["curve"] == curve]
        ax.fill_between(own["depth"], own["low"], own["high"], color=colors[curve], alpha=0.18, linewidth=0)
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(own["depth"], own["value"], color=colors[curve], marker=marker, markersize=4, label=shown[curve])
    if "cutoffs" in record:
        _draw_cutoff(ax, record)
    log_umi_axis(ax)
    ax.set(ylim=(0, 1.02), xlabel="UMIs that deep cells were thinned to", ylabel=METRICS[metric])
    open_frame(ax)
    legend_right(ax, fontsize="small")
    return finish(ax, show=show, return_fig=return_fig)


def _draw_cutoff(ax: Axes, record: Any) -> None:
    line: dict[str, Any] = {"color": "0.5", "linewidth": 1, "linestyle": "--", "zorder": 0}
    ax.axhline(record["params"]["target"], **line, label="target")
    cutoff, low, high = record["cutoffs"].iloc[0][["cutoff", "cutoff_low", "cutoff_high"]].astype(float)
    if np.isfinite(cutoff):
        ax.axvline(cutoff, **{**line, "linestyle": ":"}, label=f"cutoff, {umis(round(cutoff))} UMIs")
        ax.axvspan(low, min(high, record["params"]["low_umi"]), color="0.5", alpha=0.15, linewidth=0)


def _recovery_curve_data(record: Any, metric: str, model: str | None) -> pd.DataFrame:
    """Give one row for each point: ``curve``, ``depth``, ``value``, ``low`` and ``high``."""
    models = [str(name) for name in record["params"]["models"]]
    if model is not None:
        one_of("model", model, models)
    table, curve = record["overall"], "model"
    if metric == "recall":
        per_type = record["per_type"]
        table, curve = per_type[per_type["model"].astype(str) == (model or models[-1])], "label"
    elif model is not None:
        table = table[table["model"].astype(str) == model]
    columns = {curve: "curve", metric: "value", f"{metric}_low": "low", f"{metric}_high": "high"}
    data = table[["depth", *columns]].rename(columns=columns).astype({"curve": str})
    return data.sort_values("depth", kind="stable", ignore_index=True)
