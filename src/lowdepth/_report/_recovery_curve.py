"""Section: how many deep cells are still recognised when they are thinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth import pl
from lowdepth._keys import CurveKeys, CutoffKeys

from ._content import Section, Table, percent
from ._picture import picture

if TYPE_CHECKING:
    from ._found import Found


def recovery_curve_section(found: Found) -> Section | None:
    """Show the accuracy of labels against depth."""
    # a recommended cutoff is read off a curve of its own
    keys = [key for key in (CurveKeys.uns, CutoffKeys().uns) if "overall" in found.record(key)]
    if not keys:
        return None
    overall = found.record(keys[0])["overall"].astype({"model": str})
    n_cells = int(overall["n"].max())
    shallowest = overall.loc[overall.groupby("model")["depth"].idxmin()]
    ends = ", ".join(
        f"{percent(row.accuracy)} at {row.depth:,.0f} UMIs with {row.model}" for row in shallowest.itertuples()
    )
    return Section(
        title="Recovery curve",
        paragraphs=[
            f"{n_cells:,} deep cells were thinned to each depth and labelled by the other deep cells. "
            "Read the depth that you need for the accuracy that you want."
        ],
        pictures=[
            picture(
                pl.recovery_curve,
                found.adata,
                key=keys[0],
                alt=f"Accuracy of labels against UMIs on a logarithmic axis. At the left end: {ends}.",
            )
        ],
        tables=[
            Table(
                caption="Thinned deep cells that are recognised",
                header=["model", "UMIs", "accuracy", "balanced accuracy"],
                rows=[
                    [row.model, f"{row.depth:,.0f}", percent(row.accuracy), percent(row.balanced_accuracy)]
                    for row in overall.itertuples()
                ],
            )
        ],
    )
