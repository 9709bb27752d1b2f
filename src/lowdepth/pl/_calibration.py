"""Whether confidences are as often right as they say, depth by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from lowdepth._checks import one_of, step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import TransferKeys

from ._background import depth_colors
from ._decoration import legend_right, open_frame
from ._figure import finish, one_axes, umis

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn

FEWEST_CELLS = 20
"""Of a dot: an accuracy among fewer cells says nothing."""


@shared_docs
def calibration(
    adata: AnnData,
    *,
    key: str = TransferKeys.obs,
    cmap: str = "viridis",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show how often labels are right, by their confidence and by depth.

    The cells are labelled ones that were thinned to the depths of the query cells and predicted
    without themselves. Dots on the diagonal are right as often as they say, above it more often.
    A dot is a tenth of confidence in a bin of depths, its area grows with its cells; dots of
    fewer than twenty cells are left out. The legend gives the expected calibration error of each bin.

    Parameters
    ----------
    {adata}
    key
        Where :func:`lowdepth.tl.label_transfer` put its record in ``uns``.
    cmap
        Colours of the depths, from shallow to deep.
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        There is no such record, or it has no calibration because the transfer had no model.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=500)
    >>> ax = ld.pl.calibration(adata)
    >>> plt.close(ax.figure)
    """
    one_of("cmap", cmap, list(mpl.colormaps))
    # plain votes leave no calibration
    step = "ld.tl.label_transfer(adata, label_key, model=model)"
    record = step_record(adata, key, "calibration", "reliability", step=step)
    data = _calibration_data(record)
    colors = depth_colors(cmap)(np.linspace(0.0, 0.9, len(record["calibration"])))
    ax = one_axes(ax, (6.2, 4.2))
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", zorder=0)
    for depth_bin, label in enumerate(data["label"].cat.categories):
        own = data[data["depth_bin"] == depth_bin]
        ax.plot(own["confidence"], own["accuracy"], color=colors[depth_bin], linewidth=0.8, alpha=0.6)
        ax.scatter(
            own["confidence"], own["accuracy"], 5 + 0.4 * own["n"], color=colors[depth_bin], alpha=0.85, linewidths=0
        )
        ax.plot([], [], color=colors[depth_bin], marker="o", linewidth=0.8, label=label)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="share of right labels")
    ax.set_aspect("equal")
    open_frame(ax)
    legend_right(ax, title="UMIs (calibration error)")
    return finish(ax, show=show, return_fig=return_fig)


def _calibration_data(record: Any) -> pd.DataFrame:
    """Give one row for each dot, with its depth bin's name for the legend."""
    bins = record["calibration"]
    names = {
        depth_bin: f"{umis(row.umi_low)} to {umis(row.umi_high)} ({row.ece:.3f})"
        for depth_bin, row in enumerate(bins.itertuples())
    }
    data = record["reliability"][record["reliability"]["n"] >= FEWEST_CELLS]
    return data.assign(label=pd.Categorical(data["depth_bin"].map(names), list(names.values()))).reset_index(drop=True)
