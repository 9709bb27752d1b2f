"""Texts that several docstrings share, and the decorator that puts them in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = {
    "adata": """\
adata
    Annotated data matrix of raw UMI counts, ``n_obs`` cells by ``n_vars`` genes.""",
    "layer": """\
layer
    Layer that holds the raw counts; ``None`` reads ``X``.""",
    "rng": """\
rng
    Seed or generator. An integer gives the same result on every machine, for every
    container, chunk size and number of threads; ``None`` draws fresh entropy.""",
    "rng_of_thread_count": """\
rng
    Seed or generator. An integer gives the same draws everywhere, and the same result with the same
    number of threads, whose sums round differently; ``None`` draws fresh entropy.""",
    "copy": """\
copy
    Return a changed copy and leave ``adata`` as it is.""",
    "low_umi": """\
low_umi
    Cells with fewer UMIs than this are shallow, the others deep; 1,000 is the usual
    cutoff of quality control.""",
    "ambient_profile": """\
ambient_profile
    Counts or shares of ambient RNA, one for each gene: an array in the order of the genes, a
    series by their names, or an AnnData of empty droplets with their counts in ``X``.""",
    "use_rep": """\
use_rep
    Key in ``obsm`` of the representation, ``n_obs`` by any number of dimensions.""",
    "label_key": """\
label_key
    Column of ``obs`` that holds the labels, one per cell.""",
    "model": """\
model
    Trained model with scVI's decoder: :class:`lowdepth.model.JointEmbedding`,
    :class:`scvi.model.SCVI`, its subclasses and the like. ``adata`` needs the genes and the
    columns of ``obs`` that the model was set up with.""",
    "model_layer": """\
layer
    Layer that holds the raw counts; ``None`` takes the one that the model was trained on.""",
    "model_errors": """\
TypeError
    The model has no decoder like scVI's.
NotImplementedError
    The model holds minified data, or the counts are backed by a file.
KeyError
    There is no such layer, or a column of ``obs`` that the model needs is missing.""",
    "counts_errors": """\
NotImplementedError
    The counts are backed by a file.
KeyError
    There is no such layer.
ValueError
    The counts are negative, fractional or not finite, or there are no cells.""",
    "plot_returns": """\
The :class:`~matplotlib.axes.Axes` that were drawn on (a list of them for several
panels), the :class:`~matplotlib.figure.Figure` with ``return_fig=True``, or ``None``
with ``show=True``.""",
    "basis": """\
basis
    Key of a two-dimensional array in ``obsm``, or a list of them: one panel for each.
    Cells whose position is not finite are left out.""",
    "representation_looks": """\
palette
    Colours of the representations: a palette's name, a list, or a mapping by ``obsm`` key.
names
    Names to show for representations, by ``obsm`` key; by default the key without ``X_``.""",
    "category_palette": """\
palette
    Colours of the categories: a palette's name, a list, or a mapping by category. By
    default those in ``uns``, under the column's name with ``"_colors"`` behind it, which
    are written where they are absent.""",
    "panel_params": """\
title
    Title of each panel; by default its key without ``X_``.
size
    Area of a cell's dot in square points; by default smaller where there are more cells.
ncols
    Panels in a row.""",
    "plot_params": """\
ax
    Axes to draw on; a new figure otherwise.
show
    Show the figure at once and return ``None``.
return_fig
    Return the figure instead of its axes.""",
}

_PLACEHOLDER = re.compile(r"^(?P<indent> *)\{(?P<name>\w+)\}$", re.MULTILINE)


def shared_docs[F: Callable[..., object]](function: F) -> F:
    """Replace each line of the docstring that is just ``{name}`` by ``SHARED[name]``."""

    def fill(match: re.Match[str]) -> str:
        return "\n".join(match["indent"] + line for line in SHARED[match["name"]].splitlines())

    if function.__doc__:
        function.__doc__ = _PLACEHOLDER.sub(fill, function.__doc__)
    return function
