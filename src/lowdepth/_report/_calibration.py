"""Section: whether confidences can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth import pl

from ._content import Section, Table, decimal, percent
from ._picture import picture

if TYPE_CHECKING:
    from ._found import Found


def calibration_section(found: Found) -> Section | None:
    """Show how often labels of thinned reference cells were right, by confidence and depth."""
    if "calibration" not in found.transferred:
        return None
    bins = found.transferred["calibration"]
    n_cells, accuracy = int(bins["n"].sum()), (bins["accuracy"].fillna(0) * bins["n"]).sum() / bins["n"].sum()
    return Section(
        title="Calibration",
        paragraphs=[
            "Labelled cells were thinned to the depths of the cells to label and predicted without themselves. "
            "A confidence can be believed where dots lie on the diagonal."
        ],
        pictures=[
            picture(
                pl.calibration,
                found.adata,
                key=found.transfer.uns,
                alt=f"Share of right labels against confidence for {len(bins)} ranges of depth, beside the diagonal. "
                f"Of {n_cells:,} held-out cells {percent(accuracy)} were labelled rightly.",
            )
        ],
        tables=[
            Table(
                caption="Held-out cells by depth",
                header=["UMIs", "cells", "right labels", "mean confidence", "calibration error"],
                rows=[
                    [
                        f"{row.umi_low:,.0f} to {row.umi_high:,.0f}",
                        f"{int(row.n):,}",
                        percent(row.accuracy),
                        percent(row.confidence),
                        decimal(row.ece),
                    ]
                    for row in bins.itertuples()
                ],
            )
        ],
    )
