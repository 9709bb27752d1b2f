"""Section: how many labels come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth import pl
from lowdepth._keys import ScoreKeys

from ._content import Section, Table, percent
from ._picture import picture

if TYPE_CHECKING:
    import pandas as pd

    from ._found import Found


def recovery_section(found: Found) -> Section | None:
    """Show the recall of each type, where labels of shallow cells were known and scored."""
    if not found.record(ScoreKeys.uns):
        return None
    score = found.record(ScoreKeys.uns)
    overall = score["overall"]
    names = ", ".join(f"{name} {percent(row.balanced_accuracy)}" for name, row in overall.iterrows())
    return Section(
        title="Recovery of labels",
        paragraphs=["Labels of shallow cells were known here, and compared with those that the deep cells give them."],
        pictures=[
            picture(
                pl.label_recovery,
                found.adata,
                alt=f"Bars of the recall of each of {score['per_type']['label'].nunique()} types among shallow cells, "
                f"with intervals. Mean recall over types: {names}.",
            )
        ],
        tables=[
            Table(
                caption="Scores, with 95 % intervals",
                header=["representation", "accuracy", "balanced accuracy", "shallow cells"],
                rows=[
                    [
                        str(name),
                        _with_interval(row, "accuracy"),
                        _with_interval(row, "balanced_accuracy"),
                        f"{int(row['n_query']):,}",
                    ]
                    for name, row in overall.iterrows()
                ],
            )
        ],
    )


def _with_interval(row: pd.Series[float], score: str) -> str:
    return f"{percent(row[score])} ({percent(row[f'{score}_low'])} to {percent(row[f'{score}_high'])})"
