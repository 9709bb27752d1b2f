"""Section: how deep the cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth import pl
from lowdepth.tl._cutoff._keep import USUAL_CUTOFFS

from ._content import Section, Table, percent
from ._picture import picture

if TYPE_CHECKING:
    from ._found import Found


def depth_section(found: Found) -> Section | None:
    """Show the histogram of depths, and what the usual cutoffs would keep."""
    total = found.total_umi
    if total is None:
        return None
    low, median, high = np.percentile(total, [5, 50, 95])
    below = percent(float((total < found.low_umi).mean()))
    cutoffs = sorted({*USUAL_CUTOFFS, found.low_umi})
    return Section(
        title="Depth",
        paragraphs=[
            f"The median cell has {median:,.0f} UMIs; nine cells of ten have between {low:,.0f} and {high:,.0f}."
        ],
        pictures=[
            picture(
                pl.umi_histogram,
                found.adata,
                low_umi=found.low_umi,
                alt=f"Histogram of the UMIs of {len(total):,} cells on a logarithmic axis. {below} of them lie left of "
                f"a dashed line at {found.low_umi:,.10g} UMIs.",
            )
        ],
        tables=[
            Table(
                caption="Cells that a fixed cutoff keeps",
                header=["cutoff in UMIs", "cells kept", "share"],
                rows=[
                    [f"{float(cutoff):,.10g}", f"{kept:,}", percent(kept / len(total))]
                    for cutoff in cutoffs
                    for kept in [int((total >= cutoff).sum())]
                ],
            )
        ],
    )
