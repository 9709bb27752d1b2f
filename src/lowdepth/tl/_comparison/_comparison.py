"""Scores of several methods over several seeds, to read and to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from lowdepth._record import storable
from lowdepth.tl._notebook import as_html, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

METRICS = "accuracy", "balanced_accuracy", "macro_f1", "seconds"


@dataclass(frozen=True, repr=False, kw_only=True)
class Comparison:
    """How well several methods do on the same cells.

    :func:`lowdepth.tl.compare` returns it.

    Parameters
    ----------
    params
        What was asked for: label column, methods, seeds, cutoff and the settings of the models.
    per_seed
        One row per method and seed: accuracy, balanced accuracy, macro F1, seconds, numbers of shallow
        (query) and deep (reference) cells.
    overall
        One row per method: mean and standard deviation over the seeds.
    differences
        One row per other method and metric: mean over the seeds of the method less the baseline, its
        standard deviation, and the 95 % interval of the mean (Student's t).
    per_type
        One row per method and type: mean and standard deviation of the recall, over seeds with such cells.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 300, median_umi=3000, rng=0)
    >>> first_genes = lambda cells, seed: cells.X[:, :20].toarray()
    >>> compared = ld.tl.compare(adata, "cell_type", methods={"pca": "pca", "genes": first_genes}, seeds=2, n_latent=8)
    >>> compared.to_frame().index.to_list()
    ['pca', 'genes']
    """

    params: dict[str, Any]
    per_seed: pd.DataFrame
    overall: pd.DataFrame
    differences: pd.DataFrame
    per_type: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Give means and standard deviations, one row per method."""
        return self.overall.copy()

    def to_uns(self) -> dict[str, Any]:
        """Give the form that is recorded in ``uns``, which h5ad and zarr can hold."""
        tables = {name: getattr(self, name) for name in ("per_seed", "overall", "differences", "per_type")}
        return {"params": storable(self.params), **tables}

    def __repr__(self) -> str:
        return f"Comparison: {self._summary()}\n{self._shown().to_string()}"

    def _repr_html_(self) -> str:
        return as_html(f"Comparison: {self._summary()}", styled(self._shown()))

    def _shown(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                metric: [
                    f"{mean:.1f}" if metric == "seconds" else f"{mean:.3f} ± {sd:.3f}"
                    for mean, sd in zip(self.overall[metric], self.overall[f"{metric}_sd"], strict=True)
                ]
                for metric in METRICS
            },
            index=self.overall.index.rename(None),
        )

    def _summary(self) -> str:
        n_query, n_seeds = self.per_seed["n_query"].mean(), len(self.params["seeds"])
        return (
            f"labels {self.params['label_key']!r} of about {n_query:,.0f} cells below "
            f"{self.params['low_umi']:,.10g} UMIs, mean ± sd over {n_seeds} seeds"
        )


def summarised(per_seed: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Give mean and standard deviation of each metric, one row per method."""
    by_method = per_seed.groupby("method", observed=True)[list(METRICS)]
    spread = by_method.std().add_suffix("_sd")
    ordered = [column for metric in METRICS for column in (metric, f"{metric}_sd")]
    table = by_method.mean().join(spread).loc[list(methods), ordered]
    return table.set_axis(pd.Index(list(methods), name="method"), axis=0)


def paired_differences(per_seed: pd.DataFrame, methods: Sequence[str], baseline: str) -> pd.DataFrame:
    """Give each other method less the baseline: mean over seeds, spread, and the interval of the mean."""
    rows = []
    for metric in METRICS:
        by_seed = per_seed.pivot_table(index="seed", columns="method", values=metric, observed=True)
        for method in methods:
            if method == baseline:
                continue
            paired = (by_seed[method] - by_seed[baseline]).to_numpy()
            mean, sd, n = paired.mean(), np.std(paired, ddof=1) if len(paired) > 1 else np.nan, len(paired)
            half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) if n > 1 else np.nan
            rows.append(
                {
                    "method": method,
                    "metric": metric,
                    "difference": mean,
                    "difference_sd": sd,
                    "difference_low": mean - half,
                    "difference_high": mean + half,
                    "n_seeds": n,
                }
            )
    columns = ["method", "metric", "difference", "difference_sd", "difference_low", "difference_high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns).astype({"method": "category", "metric": "category"})
