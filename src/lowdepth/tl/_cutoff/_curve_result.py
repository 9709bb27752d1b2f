"""How well cells are recognised at each depth, to read and to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowdepth._record import storable
from lowdepth.tl._notebook import as_html, styled

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, kw_only=True)
class RecoveryCurve:
    """Recovery of cell types against depth.

    :func:`lowdepth.tl.recovery_curve` returns it.

    Parameters
    ----------
    params
        Label column, names of the models, depths, cutoff and number of neighbours.
    overall
        One row per ``model`` and ``depth``: ``accuracy`` and ``balanced_accuracy`` with 95 % intervals
        (``accuracy_low``, ``accuracy_high`` and so on), number of cells ``n``.
    per_type
        One row per ``model``, ``depth`` and type (``label``): ``recall`` with interval, ``precision``, ``n``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> curve = ld.tl.recovery_curve(adata, model, "cell_type", low_umi=500, progress_bar=False)
    >>> curve.to_frame().columns.to_list()
    ['JointEmbedding']
    """

    params: dict[str, Any]
    overall: pd.DataFrame
    per_type: pd.DataFrame

    def to_frame(self, metric: str = "accuracy") -> pd.DataFrame:
        """Give one metric, depths by models: ``"accuracy"``, ``"balanced_accuracy"`` or an end of an interval."""
        table = self.overall.pivot_table(index="depth", columns="model", values=metric, observed=True)
        return table[self.params["models"]]

    def to_uns(self) -> dict[str, Any]:
        """Give the form that is recorded in ``uns``, which h5ad and zarr can hold."""
        return {"params": storable(self.params), "overall": self.overall, "per_type": self.per_type}

    def __repr__(self) -> str:
        shown = self.to_frame().rename_axis(columns=None).to_string(float_format="{:.3f}".format)
        return f"RecoveryCurve: {self._summary()}\n{shown}"

    def _repr_html_(self) -> str:
        accuracy = self.to_frame().rename(index=lambda depth: f"{depth:,.10g} UMIs")
        return as_html(f"Recovery curve: {self._summary()}", styled(accuracy, shares=self.params["models"]))

    def _summary(self) -> str:
        n = int(self.overall["n"].iloc[0])
        return f"accuracy of {self.params['label_key']!r} of {n:,} deep cells, thinned"
