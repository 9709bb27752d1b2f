"""At which depth a curve reaches a target, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL_CELLS = "all cells"


def crossing(curve: NDArray[np.float64], depths: NDArray[np.float64], target: float) -> float:
    """Give the least depth at which the curve, made monotone, reaches the target; infinity where it never does.

    More UMIs never make a cell harder to recognise: where the curve falls, that is chance, and
    isotonic regression averages it away. Between depths it runs straight in their logarithm.

    >>> crossing(np.array([0.4, 0.9, 0.7, 0.9]), np.array([10.0, 100.0, 200.0, 1000.0]), 0.6)
    31.62...
    """
    smooth = isotonic_regression(curve).x
    reached = np.flatnonzero(smooth >= target)
    if not len(reached):
        return np.inf
    if reached[0] == 0:
        return float(depths[0])
    ends = slice(reached[0] - 1, reached[0] + 1)
    return float(np.exp(np.interp(target, smooth[ends], np.log(depths[ends]))))


def cutoff_table(
    right: NDArray[np.bool_],
    codes: NDArray[np.int64],
    names: NDArray[np.str_],
    depths: NDArray[np.float64],
    *,
    target: float,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Give the depths at which all cells, and those of each type, are recognised as often as asked for.

    Parameters
    ----------
    right
        Whether each cell is recognised at each depth, cells by depths.
    codes
        Types of the cells.
    names
        Of all types.
    depths
        In ascending order.
    target
        Share of the cells to recognise.
    n_bootstrap
        Resamplings of the cells, each with what became of it at all depths.
    generator
        Of the resamplings.
    """
    n_cells = len(codes)
    drawn = generator.multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=n_bootstrap)
    groups = {ALL_CELLS: np.ones(n_cells, bool)} | {str(names[code]): codes == code for code in np.unique(codes)}
    rows = []
    for name, own in groups.items():
        sizes = drawn[:, own].sum(axis=1)
        curves = (drawn[:, own] @ right[own])[sizes > 0] / sizes[sizes > 0, np.newaxis]
        found = [crossing(curve, depths, target) for curve in curves]
        # an end of the interval is one of the drawn depths: between a depth and infinity there is none
        low, high = np.percentile(found, [2.5, 97.5], method="inverted_cdf") if found else (np.nan, np.nan)
        curve = right[own].mean(axis=0)
        rows.append(
            {
                "label": name,
                "cutoff": crossing(curve, depths, target),
                "cutoff_low": low,
                "cutoff_high": high,
                "recovery_at_most": isotonic_regression(curve).x[-1],
                "n": int(own.sum()),
            }
        )
    return pd.DataFrame(rows).astype({"label": "category"})
