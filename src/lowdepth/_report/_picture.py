"""Plots as PNG images within the page."""

from __future__ import annotations

import struct
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

from ._content import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

DPI = 160
CSS_DPI = 96
"""Pixels of an inch in CSS: the page shows text in plots at its true size."""


def picture(plot: Callable[..., Any], adata: AnnData, *args: Any, alt: str, **kwargs: Any) -> Picture:
    """Draw in matplotlib's own style, whatever that of the session is: the page's paper is white behind plots."""
    png = BytesIO()
    with plt.style.context("default"), plt.ioff():
        figure = plot(adata, *args, return_fig=True, **kwargs)
        try:
            figure.savefig(png, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
        finally:
            plt.close(figure)
    # the header of a PNG gives width and height as two big-endian integers from byte 16 on
    width, height = struct.unpack(">II", png.getvalue()[16:24])
    return Picture(
        source=f"data:image/png;base64,{b64encode(png.getvalue()).decode()}",
        width=round(width * CSS_DPI / DPI),
        height=round(height * CSS_DPI / DPI),
        alt=alt,
    )
