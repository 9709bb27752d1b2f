"""Section: where the shallow cells lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth import pl

from ._content import Section
from ._picture import picture

if TYPE_CHECKING:
    from ._found import Found


def overlay_section(found: Found) -> Section | None:
    """Show shallow cells in the colours of their labels, over grey deep cells."""
    shallow, basis = found.shallow, found.basis
    if not found.transferred or basis is None or shallow is None or not shallow.any():
        return None
    layout = basis.removeprefix("X_")
    return Section(
        title="Shallow cells in the embedding",
        paragraphs=[
            "Colours are the transferred labels. Where the embedding has kept biology rather than depth, "
            "shallow cells lie on deep cells, each label in a place of its own."
        ],
        pictures=[
            picture(
                pl.low_umi_overlay,
                found.adata,
                basis,
                color=found.transfer.obs,
                low_umi=found.low_umi,
                alt=f"Scatter plot of the layout {layout}: {int(shallow.sum()):,} cells below {found.low_umi:,.10g} "
                f"UMIs, coloured by transferred label, over {int((~shallow).sum()):,} deeper cells in grey.",
            )
        ],
    )
