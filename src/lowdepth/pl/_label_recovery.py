"""Which cell types come back, type by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._checks import step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import ScoreKeys

from ._background import ink
from ._decoration import legend_above, name_rows
from ._figure import display_name, finish, one_axes, umis, widest, wrapped
from ._palette import choose_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette


@shared_docs
def label_recovery(
    adata: AnnData,
    *,
    key: str = ScoreKeys.uns,
    palette: Palette = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show the recall of each cell type among shallow cells, for each representation.

    The types are sorted by the last representation that was scored; whiskers are the
    score's bootstrap intervals.

    Parameters
    ----------
    {adata}
    key
        Where :func:`lowdepth.tl.label_transfer_score` put its result in ``uns``.
    {representation_looks}
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        There is no such score.
    ValueError
        The colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 500, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_genes"] = adata.X[:, :50].toarray()
    >>> cutoff = adata.obs["total_umi"].median()
    >>> score = ld.tl.label_transfer_score(adata, "cell_type", use_rep="X_genes", low_umi=cutoff)
    >>> ax = ld.pl.label_recovery(adata, names={"X_genes": "50 genes"})
    >>> plt.close(ax.figure)
    """
    step = "ld.tl.label_transfer_score(adata, label_key, use_rep=...)"
    score = step_record(adata, key, "per_type", "overall", "params", step=step)
    data = _label_recovery_data(score)
    keys = list(score["params"]["use_rep"])
    colors = choose_colors(palette, keys)
    shown = {rep: (names or {}).get(rep, display_name(rep)) for rep in keys}
    types = data.drop_duplicates("rank")
    ticks = [wrapped(f"{label} (n\u00a0=\u00a0{n:,})") for label, n in zip(types["label"], types["n"], strict=True)]

    row = max(0.08 + 0.12 * len(keys), 0.05 + 0.17 * max(tick.count("\n") + 1 for tick in ticks))
    ax = one_axes(ax, (4.5 + 0.075 * widest(ticks), 0.8 + 0.2 * len(keys) + row * len(ticks)))
    height = 0.8 / len(keys)
    for place, rep in enumerate(keys):
        bars = data[data["representation"] == rep]
        y = bars["rank"] + (place - (len(keys) - 1) / 2) * height
        balanced = score["overall"].loc[rep, "balanced_accuracy"]
        ax.barh(y, bars["recall"], height, color=colors[rep], label=f"{shown[rep]} (balanced accuracy {balanced:.3f})")
        # an interval of few resamplings may lie beside the recall itself
        whiskers = np.clip([bars["recall"] - bars["recall_low"], bars["recall_high"] - bars["recall"]], 0, None)
        ax.errorbar(bars["recall"], y, xerr=whiskers, fmt="none", ecolor=ink(), elinewidth=0.8, capsize=1.5)
    name_rows(ax, ticks)
    ax.set_xlabel(f"recall among cells below {umis(score['params']['low_umi'])} UMIs")
    legend_above(ax)
    return finish(ax, show=show, return_fig=return_fig)


def _label_recovery_data(score: Any) -> pd.DataFrame:
    """Give one row for each bar; rank 0 is the type that the last representation recovers best."""
    data = score["per_type"][score["per_type"]["n"] > 0].astype({"label": object, "representation": object})
    last = data[data["representation"] == score["params"]["use_rep"][-1]]
    order = last.sort_values(["recall", "label"], ascending=[False, True])["label"]
    rank = {label: place for place, label in enumerate(order)}
    return data.assign(rank=data["label"].map(rank)).sort_values("rank", kind="stable", ignore_index=True)
