"""Recall, precision and their bootstrap intervals, from true and predicted label codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._confusion import macro_f1
from ._interval import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


def overall_recovery(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], *, n_bootstrap: int, generator: np.random.Generator
) -> dict[str, float]:
    """Give the share of right cells, and the mean of that share over the types."""
    right, wrong = _tally(truth, predicted)
    drawn_right, drawn_wrong = _resample(right, wrong, n_bootstrap, generator)
    drawn_accuracy = drawn_right.sum(axis=1) / (drawn_right + drawn_wrong).sum(axis=1)
    drawn_balanced = _mean_recall(drawn_right, drawn_wrong)
    return {
        "accuracy": float(right.sum() / len(truth)),
        **interval("accuracy", drawn_accuracy),
        "balanced_accuracy": float(_mean_recall(right[None], wrong[None])[0]),
        **interval("balanced_accuracy", drawn_balanced),
    }


def recovery_per_type(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    names: NDArray[np.str_],
    *,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Give recall, precision and number of cells of each type that has query cells."""
    right, wrong = _tally(truth, predicted)
    drawn_right, drawn_wrong = _resample(right, wrong, n_bootstrap, generator)
    types = np.unique(truth)
    rows = []
    for column, code in enumerate(types):
        n_predicted = int((predicted == code).sum())
        drawn_n = drawn_right[:, column] + drawn_wrong[:, column]
        drawn_recall = drawn_right[drawn_n > 0, column] / drawn_n[drawn_n > 0]
        rows.append(
            {
                "label": names[code],
                "recall": right[column] / (right[column] + wrong[column]),
                **interval("recall", drawn_recall),
                # a type that is never predicted has no precision
                "precision": right[column] / n_predicted if n_predicted else np.nan,
                "n": int(right[column] + wrong[column]),
            }
        )
    return pd.DataFrame(rows).astype({"label": "category"})


def recovery_per_depth(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    total_umi: NDArray[np.float64],
    *,
    low_umi: float,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Give the overall recovery in bins of half a decade of UMIs, counted down from the cutoff."""
    below = np.ceil(np.log10(low_umi / np.maximum(total_umi, 1)) * 2).astype(int)
    rows = []
    for step in np.unique(below)[::-1]:
        cells = below == step
        rows.append(
            {
                "umi_low": low_umi / 10 ** (step / 2),
                "umi_high": low_umi / 10 ** ((step - 1) / 2),
                **overall_recovery(truth[cells], predicted[cells], n_bootstrap=n_bootstrap, generator=generator),
                "n": int(cells.sum()),
            }
        )
    return pd.DataFrame(rows)


def recovery_per_batch(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    batch: NDArray[np.integer],
    names: NDArray[np.str_],
    *,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Give the overall recovery and the macro F1 score of each batch that has query cells."""
    bootstrap: dict[str, Any] = {"n_bootstrap": n_bootstrap, "generator": generator}
    rows = []
    for code in np.unique(batch[batch >= 0]):
        cells = batch == code
        scores = [score(truth[cells], predicted[cells], **bootstrap) for score in (overall_recovery, macro_f1)]
        rows.append({"batch": names[code], **scores[0], **scores[1], "n": int(cells.sum())})
    return pd.DataFrame(rows).astype({"batch": "category"})


def _tally(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count right and wrong cells of each type that occurs."""
    _, type_of = np.unique(truth, return_inverse=True)
    is_right = truth == predicted
    n_types = type_of.max() + 1
    return np.bincount(type_of[is_right], minlength=n_types), np.bincount(type_of[~is_right], minlength=n_types)


def _resample(
    right: NDArray[np.int64], wrong: NDArray[np.int64], n_bootstrap: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw cells with replacement.

    Recall depends on a cell only through its type and whether it is right, so that drawing
    cells is drawing these counts from a multinomial.
    """
    counts = np.concatenate([right, wrong])
    drawn = generator.multinomial(counts.sum(), counts / counts.sum(), size=n_bootstrap)
    return drawn[:, : len(right)], drawn[:, len(right) :]


def _mean_recall(right: NDArray[np.int64], wrong: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average the recall over the types that have cells, for each row."""
    n = right + wrong
    recall = np.divide(right, n, out=np.zeros(n.shape), where=n > 0)
    return recall.sum(axis=1) / (n > 0).sum(axis=1)
