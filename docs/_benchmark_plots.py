"""Draws the plots of measurements from the tables of the pages themselves, so that the two cannot disagree.

A comment ``<!-- plot: name -->`` below a table asks for one.
"""

from __future__ import annotations

import re
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from _pictures import in_both_styles

from lowdepth.pl._palette import COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

ASKED_FOR = re.compile(r"^<!-- plot: (?P<name>\w+) -->$", flags=re.MULTILINE)
NUMBER = re.compile(r"(?P<mean>\d[\d,.]*)(?: ± (?P<sd>[\d.]+))?")
BLUE, ORANGE = COLORS[0], COLORS[1]


class Row(NamedTuple):
    """What a row of a table is about, and mean and standard deviation in each column, NaN where there are none."""

    name: str
    mean: np.ndarray
    sd: np.ndarray


def draw_plots(page: str, folder: Path) -> str:
    """Put each plot in the place where it is asked for."""

    def drawn(place: re.Match[str]) -> str:
        draw, alt = PLOTS[place["name"]]
        rows = last_table(page[: place.start()])
        return in_both_styles(partial(draw, rows), folder / f"plot_{place['name']}", alt)

    return ASKED_FOR.sub(drawn, page)


def last_table(page: str) -> list[Row]:
    """Read the rows of the last table of a page.

    >>> last_table("| | cells |\\n| --- | --- |\\n| `a` | 1,000 ± 2 (3 x) |\\n| b | |\\n")[0]
    Row(name='a', mean=array([1000.]), sd=array([2.]))
    """
    tables = re.findall(r"(?:^\|.*\|$\n?)+", page, flags=re.MULTILINE)
    return [_row(line) for line in tables[-1].splitlines()[2:]]


def _row(line: str) -> Row:
    name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
    found = [NUMBER.match(cell) for cell in cells]
    mean = [float(number["mean"].replace(",", "")) if number else np.nan for number in found]
    sd = [float(number["sd"] or "nan") if number else np.nan for number in found]
    return Row(re.sub(r"[`*]", "", name), np.array(mean), np.array(sd))


def _dots(ax: Axes, rows: Sequence[Row], column: int, shift: float = 0.0, **look: str) -> None:
    """Show a column: dots with the standard deviation to both sides, one row below the other."""
    place = np.arange(len(rows)) + shift
    spread = np.nan_to_num([row.sd[column] for row in rows])
    ax.errorbar([row.mean[column] for row in rows], place, xerr=spread, linestyle="none", capsize=2, **look)


def _panels(rows: Sequence[Row], n_panels: int, height: float) -> list[Axes]:
    figure, axes = plt.subplots(1, n_panels, figsize=(6.6, 0.9 + height * len(rows)), sharey=True, layout="constrained")
    for ax in axes:
        ax.grid(axis="x", alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [fill(row.name, 24) for row in rows])
    axes[0].invert_yaxis()
    figure.get_layout_engine().set(wspace=0.06)
    return list(axes)


def _legend(ax: Axes) -> None:
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)


def accuracy(rows: Sequence[Row]) -> None:
    """Show both lengths of the training beside each other."""
    axes = _panels(rows, 2, 0.42)
    for place, (ax, title) in enumerate(zip(axes, ("accuracy", "balanced accuracy"), strict=True)):
        _dots(ax, rows, place, -0.12, color=BLUE, marker="o", label="575 steps")
        _dots(ax, rows, place + 2, 0.12, color=ORANGE, marker="s", label="2,300 steps")
        ax.set_xlabel(title)
    _legend(axes[0])


def label_transfer(rows: Sequence[Row]) -> None:
    """Show how many labels are right, and how far confidences are off."""
    axes = _panels(rows, 2, 0.42)
    for ax, column, title in zip(axes, (1, 2), ("balanced accuracy", "calibration error (ECE)"), strict=True):
        for kind, color, marker in (("lowdepth", BLUE, "o"), ("others", ORANGE, "s")):
            of_kind = [row if row.name.startswith("lowdepth") == (kind == "lowdepth") else _no(row) for row in rows]
            _dots(ax, of_kind, column, color=color, marker=marker, label=kind)
        ax.set_xlabel(title)
    _legend(axes[0])


def calibration_by_depth(rows: Sequence[Row]) -> None:
    """Show how far confidences are off at each depth."""
    rows = rows[:-1]  # all depths together
    ax = plt.subplots(figsize=(6, 3), layout="constrained")[1]
    place, ece, spread = range(len(rows)), [row.mean[2] for row in rows], [row.sd[2] for row in rows]
    ax.errorbar(place, ece, spread, color=BLUE, marker="o", capsize=2, label='label_transfer, "posterior"')
    ax.plot(place, [row.mean[3] for row in rows], color=ORANGE, marker="s", label="votes of 15 neighbours")
    ax.set_xticks(place, [row.name for row in rows])
    ax.set(xlabel="UMIs", ylabel="calibration error (ECE)", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def speed(rows: Sequence[Row]) -> None:
    """Show each figure by itself: they have other units."""
    methods = ["scvi-tools", 'lowdepth "paper"', 'lowdepth "denoise"']
    figure, axes = plt.subplots(1, len(rows), figsize=(6.6, 2.3), sharey=True, layout="constrained")
    for ax, row in zip(axes, rows, strict=True):
        bars = ax.barh(methods, row.mean, color=[ORANGE, BLUE, BLUE])
        ax.bar_label(bars, [f"{value:,.0f}" for value in row.mean], padding=3)
        ax.set(xlabel=fill(row.name, 18), xticks=[], xlim=(0, 1.35 * row.mean.max()))
        ax.spines[["top", "right", "bottom"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.get_layout_engine().set(wspace=0.04)


def _no(row: Row) -> Row:
    nothing = np.full(len(row.mean), np.nan)
    return Row(row.name, nothing, nothing)


PLOTS = {
    "accuracy": (
        accuracy,
        "Accuracy and balanced accuracy of each method of the table above, with standard deviations",
    ),
    "label_transfer": (label_transfer, "Balanced accuracy and calibration error of each way of the table above"),
    "calibration_by_depth": (calibration_by_depth, "Calibration error at each depth of the table above"),
    "speed": (speed, "Training and embedding speed and memory of the table above, as bars"),
}
