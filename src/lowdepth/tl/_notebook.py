"""Results as a notebook shows them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler


def as_html(summary: str, *tables: Styler, note: str = "") -> str:
    """Put tables below a sentence, and a note below them.

    >>> as_html("Of <2> cells", note="few")
    '<p>Of &lt;2&gt; cells</p><p><em>few</em></p>'
    """
    after = f"<p><em>{escape(note)}</em></p>" if note else ""
    return f"<p>{escape(summary)}</p>{''.join(table.to_html() for table in tables)}{after}"


def styled(table: pd.DataFrame, *, shares: list[str] | None = None) -> Styler:
    """Format a table: whatever stands in it is text, and columns of shares get bluer from 0 to 1."""
    unnamed = table.set_axis(table.index.set_names([None] * table.index.nlevels)).rename_axis(columns=None)
    style = unnamed.style.format(precision=3, thousands=",", na_rep="", escape="html")
    style = style.format_index(escape="html").format_index(escape="html", axis="columns")
    return style.background_gradient(cmap="Blues", vmin=0, vmax=1, subset=table[shares].columns) if shares else style
