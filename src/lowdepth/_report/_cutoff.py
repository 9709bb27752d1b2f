"""Section: from which depth on cells can be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth import pl
from lowdepth._keys import CurveKeys, CutoffKeys
from lowdepth.tl._cutoff._keep import CHOICES, at_usual_cutoffs

from ._content import MISSING, Section, Table
from ._picture import picture

if TYPE_CHECKING:
    import pandas as pd

    from ._content import Picture
    from ._found import Found


def cutoff_section(found: Found) -> Section | None:
    """Show the recommended cutoffs, and what they and the usual ones keep."""
    record = found.record(CutoffKeys().uns)
    if "cutoffs" not in record:
        return None
    return Section(
        title="Recommended cutoff",
        paragraphs=[
            f"From these depths on {100 * record['params']['target']:.10g} % of thinned deep cells are recognised. "
            "Real cells may need more. Cells are flagged where their depth and the confidence of their label disagree."
        ],
        pictures=[_curve(found)] if {"overall"} <= record.keys() & found.record(CurveKeys.uns).keys() else [],
        tables=[_cutoffs(record["cutoffs"]), _kept(record["kept"])],
    )


def _curve(found: Found) -> Picture:
    """Draw what the cutoff was read off, where the section of the recovery curve shows another."""
    return picture(
        pl.recovery_curve,
        found.adata,
        key=CutoffKeys().uns,
        alt="Share recognised against UMIs on a logarithmic axis, with the target, the cutoff and its interval.",
    )


def _cutoffs(cutoffs: pd.DataFrame) -> Table:
    return Table(
        caption="Cutoffs in UMIs",
        header=["cells", "cutoff", "95 % interval", "deep cells"],
        rows=[
            [
                str(row["label"]),
                _umis(row["cutoff"]),
                _interval(row["cutoff_low"], row["cutoff_high"]),
                f"{row['n']:,}",
            ]
            for _, row in cutoffs.iterrows()
        ],
    )


def _kept(kept: pd.DataFrame) -> Table:
    usual = at_usual_cutoffs(kept)
    return Table(
        caption="Cells by recommendation, and cells that fixed cutoffs keep",
        header=["cells", "all", *CHOICES, *(f"{cutoff:,} UMIs" for cutoff in usual)],
        rows=[
            [str(row["name"]), *(f"{row[key]:,}" for key in ("n", *CHOICES, *usual.values()))]
            for _, row in kept.iterrows()
        ],
    )


def _interval(low: float, high: float) -> str:
    return _umis(low) if not np.isfinite(low) else f"{_umis(low)} to {_umis(high)}"


def _umis(cutoff: Any) -> str:
    if np.isnan(cutoff):
        return MISSING
    return "out of reach" if np.isinf(cutoff) else f"{cutoff:,.0f}"
