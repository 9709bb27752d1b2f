"""What to do with each cell, and how many cells that keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ._crossing import ALL_CELLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CHOICES = "keep", "flag", "drop"
KEEP, FLAG, DROP = range(3)
USUAL_CUTOFFS = 200, 500, 1000


class Cutoff(NamedTuple):
    """UMIs, with the ends of a 95 % interval; infinite where the target is out of reach, NaN where nothing is known."""

    umi: float
    low: float
    high: float


def choose(
    total_umi: NDArray[np.float64],
    cutoff: Cutoff,
    confidence: NDArray[np.float64],
    only_ambient: NDArray[np.bool_],
    *,
    low_umi: float,
    target: float,
) -> pd.Categorical[str]:
    """Keep, flag or drop each cell, as :func:`lowdepth.tl.recommend_cutoff` says.

    Parameters
    ----------
    total_umi
        Depths of the cells.
    cutoff
        Of all cells.
    confidence
        Probability of each cell's label, NaN where there is none.
    only_ambient
        Cells that may be nothing but ambient RNA.
    low_umi
        UMIs of the shallowest deep cell.
    target
        Share of cells to recognise.
    """
    by_depth = np.where(total_umi >= cutoff.high, KEEP, np.where(total_umi < cutoff.low, DROP, FLAG))
    enough, sure = total_umi >= cutoff.umi, confidence >= target
    by_both = np.where(enough & sure, KEEP, np.where(enough | sure, FLAG, DROP))
    choice = np.where(np.isnan(confidence), by_depth, by_both)
    if np.isnan(cutoff.umi):
        choice[:] = FLAG
    choice[only_ambient] = DROP
    choice[total_umi >= low_umi] = KEEP
    return pd.Categorical.from_codes(choice, categories=pd.Index(CHOICES), ordered=True)


def at_usual_cutoffs(kept: pd.DataFrame) -> dict[int, str]:
    """Give the usual cutoffs that a table of :func:`kept_table` holds, and their columns.

    >>> at_usual_cutoffs(pd.DataFrame(columns=["n", "keep", "at_200", "at_1000"]))
    {200: 'at_200', 1000: 'at_1000'}
    """
    columns = kept.columns.astype(str)
    return {int(name.removeprefix("at_")): name for name in columns if name.startswith("at_")}


def kept_table(
    choice: pd.Categorical[str], total_umi: NDArray[np.float64], groups: Mapping[str, pd.Categorical[str]]
) -> pd.DataFrame:
    """Count what each choice, and each usual cutoff, keeps of all cells and of each group.

    Parameters
    ----------
    choice
        Of each cell.
    total_umi
        Depths of the cells.
    groups
        Kinds of groups ("type", "sample") with the groups of the cells.
    """
    chosen = {name: choice.codes == code for code, name in enumerate(CHOICES)}
    chosen |= {f"at_{cutoff}": total_umi >= cutoff for cutoff in USUAL_CUTOFFS}
    members = [(ALL_CELLS, ALL_CELLS, np.ones(len(total_umi), bool))]
    members += [
        (kind, str(name), group.codes == code)
        for kind, group in groups.items()
        for code, name in enumerate(group.categories)
    ]
    counts = [
        {
            "group": kind,
            "name": name,
            "n": int(own.sum()),
            **{key: int((own & is_in).sum()) for key, is_in in chosen.items()},
        }
        for kind, name, own in members
    ]
    return pd.DataFrame(counts).astype({"group": "category", "name": "category"})
