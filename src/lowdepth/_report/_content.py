"""What a page is made of, and how numbers stand on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = "–"
"""Stands where there is no number."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing as a data URI, its size in CSS pixels, and what it shows in words."""

    source: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is its heading."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: text, then pictures, then tables, then points of a list."""

    title: str
    paragraphs: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    points: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        """Name of the section in links within the page."""
        return self.title.lower().replace(" ", "-")


def percent(share: float) -> str:
    """Give a share as people write it.

    >>> percent(0.7149), percent(float("nan"))
    ('71.5 %', '–')
    """
    return MISSING if np.isnan(share) else f"{100 * share:.1f} %"


def decimal(number: float) -> str:
    """Give a number with three decimals.

    >>> decimal(0.01234), decimal(float("nan"))
    ('0.012', '–')
    """
    return MISSING if np.isnan(number) else f"{number:.3f}"


def shown(value: Any) -> str:
    """Give any value that ``uns`` can hold.

    >>> shown(512), shown(0.004), shown(True), shown(np.array(["X_scvi", "X_pca"]))
    ('512', '0.004', 'yes', 'X_scvi, X_pca')
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.10g}"
    if isinstance(value, np.ndarray | list | tuple):
        return ", ".join(map(shown, np.asarray(value).ravel()))
    return str(value)
