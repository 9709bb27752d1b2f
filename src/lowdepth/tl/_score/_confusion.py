"""Which types are taken for which, and the F1 score of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._interval import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


def macro_f1(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], *, n_bootstrap: int, generator: np.random.Generator
) -> dict[str, float]:
    """Average the F1 score, 2 right / (n true + n predicted), over the types that have query cells."""
    pairs, n = _pairs(truth, predicted)
    # a cell matters only through its two labels, so that drawing cells is drawing the numbers of pairs
    drawn = generator.multinomial(n.sum(), n / n.sum(), size=n_bootstrap)
    return {"macro_f1": float(_mean_f1(pairs, n[np.newaxis])[0]), **interval("macro_f1", _mean_f1(pairs, drawn))}


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer], names: NDArray[np.str_]) -> pd.DataFrame:
    """Count the cells of each pair of true and predicted type that occurs."""
    pairs, n = _pairs(truth, predicted)
    dtype = pd.CategoricalDtype(list(names))
    label, taken_for = (pd.Categorical.from_codes(codes, dtype=dtype) for codes in pairs.T)
    return pd.DataFrame({"label": label, "predicted": taken_for, "n": n})


def _pairs(
    truth: NDArray[np.integer], predicted: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    pairs, n = np.unique(np.column_stack([truth, predicted]), axis=0, return_counts=True)
    return pairs, n


def _mean_f1(pairs: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Give the mean over the types that have cells, for each row of numbers of pairs."""
    types = np.unique(pairs[:, 0])
    is_type, is_predicted = pairs[:, :1] == types, pairs[:, 1:] == types
    n_true, n_predicted, right = counts @ is_type, counts @ is_predicted, counts @ (is_type & is_predicted)
    f1 = np.divide(2 * right, n_true + n_predicted, out=np.zeros(n_true.shape), where=n_true > 0)
    return f1.sum(axis=1) / (n_true > 0).sum(axis=1)
