"""How the losses fell while embeddings were trained."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MaxNLocator

from lowdepth._checks import one_of, step_record
from lowdepth._docs import shared_docs
from lowdepth._keys import EmbeddingKeys

from ._decoration import legend_right, open_frame
from ._figure import finish, one_axes, widest, wrapped
from ._palette import choose_colors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figure import Drawn
    from ._palette import Palette

METRICS = {
    "loss": ("train_loss", "validation_loss"),
    "reconstruction": ("reconstruction_loss_train", "reconstruction_loss_validation"),
    "kl": ("kl_local_train", "kl_local_validation"),
    "cross_correlation": ("cco_loss_train", "cco_loss_validation"),
}
"""Columns of the history: of the training, and of cells held out from it."""

AXIS_LABELS = {
    "loss": "loss per cell",
    "reconstruction": "negative log-likelihood per cell",
    "kl": "KL divergence per cell",
    "cross_correlation": "cross-correlation loss",
}
LINES = {"training": "-", "validation": "--"}
SINGLE_DOTS = 30
"""Epochs up to which each has a dot: a training of one epoch would be a line without length."""


@shared_docs
def training(
    adata: AnnData,
    *,
    key: str | Sequence[str] = EmbeddingKeys().uns,
    metric: str = "loss",
    palette: Palette = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Drawn:
    """Show how a loss fell from epoch to epoch, for one or several embeddings.

    A curve that still falls steeply at its end asks for more epochs. Cells that were held out from
    the training, if there are some, have a dashed curve: where it rises, the cells are learnt by heart.

    Parameters
    ----------
    {adata}
    key
        Name of an embedding that :func:`lowdepth.tl.joint_embedding` made, or a list of them.
    metric
        ``"loss"``, what was minimised, which differs from preset to preset; or a part of it:
        ``"reconstruction"``, ``"kl"`` (the divergence of the cells' posteriors from the prior) or
        ``"cross_correlation"`` (of full and thinned cells), which the preset ``"scvi"`` does not have.
    palette
        Colours of the embeddings: a palette's name, a list, or a mapping by ``key``.
    names
        Names to show for embeddings.
    {plot_params}

    Returns
    -------
    {plot_returns}

    Raises
    ------
    KeyError
        There is no such embedding, or it has no history.
    ValueError
        There is no such metric, or no embedding has it; the colours do not fit.

    Examples
    --------
    >>> import lowdepth as ld
    >>> import matplotlib.pyplot as plt
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=2, low_umi=500, progress_bar=False)
    >>> ax = ld.pl.training(adata, metric="reconstruction")
    >>> plt.close(ax.figure)
    """
    one_of("metric", metric, list(METRICS))
    keys = [EmbeddingKeys(name).uns for name in ([key] if isinstance(key, str) else key)]
    data = _training_data(adata, keys, metric)
    drawn = list(data["embedding"].unique())
    colors = choose_colors(palette, drawn)
    shown = {name: wrapped((names or {}).get(name, name)) for name in drawn}

    ax = one_axes(ax, (5.4 + 0.075 * widest(shown.values()), 3.4))
    for name, (part, linestyle) in product(drawn, LINES.items()):
        curve = data[(data["embedding"] == name) & (data["part"] == part)]
        if curve.empty:
            continue
        ax.plot(
            curve["epoch"],
            curve["value"],
            color=colors[name],
            linestyle=linestyle,
            marker="o" if len(curve) <= SINGLE_DOTS else None,
            markersize=3,
            label=shown[name] if part == "training" else f"{shown[name]}, held out",
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=AXIS_LABELS[metric])
    open_frame(ax)
    legend_right(ax, fontsize="small")
    return finish(ax, show=show, return_fig=return_fig)


def _training_data(adata: AnnData, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """Give one row for each point: ``embedding``, ``part``, ``epoch`` (from 1 on) and ``value``.

    Epochs without validation have no point in its curve.
    """
    if not keys:
        msg = "`key` is empty; name at least one embedding"
        raise ValueError(msg)
    curves = []
    for key in keys:
        step = f"ld.tl.joint_embedding(adata, key_added='X_{key}')"
        history = step_record(adata, key, "history", step=step)["history"]
        for part, column in zip(LINES, METRICS[metric], strict=True):
            if column in history:
                values = history[column].to_numpy(float)
                curve = pd.DataFrame({"embedding": key, "part": part, "epoch": range(1, len(values) + 1)})
                curves.append(curve.assign(value=values).dropna())
    if not curves:
        msg = f"no training of {', '.join(keys)} has `metric={metric!r}`; show another of {', '.join(METRICS)}"
        raise ValueError(msg)
    return pd.concat(curves, ignore_index=True)
