"""What stands around the data: ticks, spines, axes of UMIs, and legends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ._figure import umis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def open_frame(ax: Axes) -> None:
    """Leave out the lines at the top and at the right, which say nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name rows from top to bottom, on a scale of shares."""
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1))
    ax.tick_params(axis="y", length=0)
    open_frame(ax)


def log_umi_axis(ax: Axes) -> None:
    """Give UMIs along x, on a logarithmic scale with numbers as people write them."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(umi_format())
    ax.xaxis.set_minor_formatter(NullFormatter())


def umi_format() -> FuncFormatter:
    """Write the UMIs of a tick as people do."""
    return FuncFormatter(lambda number, _: umis(number))


def legend_above(ax: Axes, **options: Any) -> None:
    """Write the legend above the axes, where nothing can lie beneath it."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0, **options)


def legend_right(ax: Axes, **options: Any) -> None:
    """Write the legend to the right of the axes, in the middle."""
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, borderaxespad=0, **options)
