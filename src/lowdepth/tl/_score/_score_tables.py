"""All scores of one set of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from ._confusion import confusion, macro_f1
from ._recovery import overall_recovery, recovery_per_batch, recovery_per_depth, recovery_per_type
from ._risk_coverage import headlines, risk_coverage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._predictions import Predictions


class ScoredCells(NamedTuple):
    """Codes of the true types with all names, depths and batches."""

    truth: NDArray[np.integer]
    names: NDArray[np.str_]
    total_umi: NDArray[np.float64]
    batch: pd.Categorical[Any] | None


def score_tables(
    cells: ScoredCells,
    said: Predictions,
    *,
    low_umi: float,
    n_bootstrap: int,
    generator: np.random.Generator,
    other_generator: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Give the tables of :class:`lowdepth.tl.LabelTransferScore`, for one representation or transfer.

    Accuracies, recalls and depths draw from the first generator, the rest from the other one, so that
    no interval depends on which of the rest are there.
    """
    first: dict[str, Any] = {"n_bootstrap": n_bootstrap, "generator": generator}
    other = {**first, "generator": other_generator}
    truth, predicted = cells.truth, said.codes
    curve = risk_coverage(truth == predicted, said.confidence)
    overall = overall_recovery(truth, predicted, **first) | macro_f1(truth, predicted, **other) | headlines(curve)
    tables = {
        "overall": pd.DataFrame([overall]),
        "per_type": recovery_per_type(truth, predicted, cells.names, **first),
        "per_depth": recovery_per_depth(truth, predicted, cells.total_umi, low_umi=low_umi, **first),
        "confusion": confusion(truth, predicted, cells.names),
        "risk_coverage": curve,
    }
    if cells.batch is not None:
        batches = cells.batch.categories.astype(str).to_numpy()
        tables["per_batch"] = recovery_per_batch(truth, predicted, cells.batch.codes, batches, **other)
    return tables


def stacked(tables: dict[str, pd.DataFrame], of: str = "representation") -> pd.DataFrame:
    """Put the tables of several representations, or of what else they are ``of``, below each other."""
    together = pd.concat(tables, names=[of]).reset_index(level=of)
    # anndata writes categories for every version of pandas, plain strings not
    return together.astype({of: pd.CategoricalDtype(list(tables))}).reset_index(drop=True)
