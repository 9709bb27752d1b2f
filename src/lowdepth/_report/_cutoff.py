"""Section: from which depth on cells can be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._keys import CutoffKeys

from ._content import MISSING, Section, Table

if TYPE_CHECKING:
    import pandas as pd

    from ._found import Found

CHOICES = ("keep", "flag", "drop")


def cutoff_section(found: Found) -> Section | None:
    """Show the recommended cutoffs, and what they and the usual ones keep."""
    record = found.record(CutoffKeys().uns)
    if "cutoffs" not in record:
        return None
    return Section(
        title="Recommended cutoff",
        paragraphs=[
            f"From these depths on {record['params']['target']:.0%} of thinned deep cells are recognised. "
            "Real cells may need more. Cells are flagged where their depth and the confidence of their label disagree."
        ],
        tables=[_cutoffs(record["cutoffs"]), _kept(record["kept"])],
    )


def _cutoffs(cutoffs: pd.DataFrame) -> Table:
    return Table(
        caption="Cutoffs in UMIs",
        header=["cells", "cutoff", "95 % interval", "deep cells"],
        rows=[
            [
                str(row["label"]),
                _umis(row["cutoff"]),
                f"{_umis(row['cutoff_low'])} to {_umis(row['cutoff_high'])}",
                f"{row['n']:,}",
            ]
            for _, row in cutoffs.iterrows()
        ],
    )


def _kept(kept: pd.DataFrame) -> Table:
    usual = [name for name in map(str, kept.columns) if name.startswith("at_")]
    return Table(
        caption="Cells by recommendation, and cells that fixed cutoffs keep",
        header=["cells", "all", *CHOICES, *(f"{int(name.removeprefix('at_')):,} UMIs" for name in usual)],
        rows=[[str(row["name"]), *(f"{row[key]:,}" for key in ("n", *CHOICES, *usual))] for _, row in kept.iterrows()],
    )


def _umis(cutoff: Any) -> str:
    if np.isnan(cutoff):
        return MISSING
    return "out of reach" if np.isinf(cutoff) else f"{cutoff:,.0f}"
