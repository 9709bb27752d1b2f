"""A recommended cutoff and what it keeps, to read and to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth.tl._notebook import as_html, styled

from ._keep import CHOICES, at_usual_cutoffs

if TYPE_CHECKING:
    import pandas as pd

    from ._curve_result import RecoveryCurve


@dataclass(frozen=True, repr=False, kw_only=True)
class RecommendedCutoff:
    """The depth from which on cells are recognised as often as asked for.

    :func:`lowdepth.tl.recommend_cutoff` returns it.

    Parameters
    ----------
    params
        What was asked for, with the number of cells that may be nothing but ambient RNA.
    cutoffs
        First all cells, then one row per type (``label``): the ``cutoff`` in UMIs with its 95 % interval
        (``cutoff_low``, ``cutoff_high``), ``recovery_at_most``, that at the greatest depth, and the number of deep
        cells ``n``. Infinite where the target is out of reach, missing where the data cannot say.
    kept
        Numbers of cells ``n``, of all and by type and sample (``group``, ``name``), that are kept, flagged and dropped
        (``keep``, ``flag``, ``drop``), and that the usual cutoffs keep (``at_200``, ``at_500``, ``at_1000``).
    curve
        What the cutoffs were read off; ``None`` where the data cannot say.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> found = ld.tl.recommend_cutoff(adata, model, "cell_type", target=0.1, low_umi=500, progress_bar=False)
    >>> found.umi <= 500
    True
    """

    params: dict[str, Any]
    cutoffs: pd.DataFrame
    kept: pd.DataFrame
    curve: RecoveryCurve | None

    @property
    def umi(self) -> float:
        """Cutoff of all cells."""
        return float(self.cutoffs["cutoff"].iloc[0])

    def to_frame(self) -> pd.DataFrame:
        """Give what is kept, flagged and dropped."""
        return self.kept.copy()

    def to_uns(self) -> dict[str, Any]:
        """Give the form that is recorded in ``uns``, which h5ad and zarr can hold."""
        curve = {} if self.curve is None else self.curve.to_uns()
        return {**curve, "params": curve.get("params", {}) | self.params, "cutoffs": self.cutoffs, "kept": self.kept}

    def __repr__(self) -> str:
        everything = self.kept.iloc[0]
        counts = ", ".join(f"{choice} {everything[choice]:,}" for choice in CHOICES)
        usual = ", ".join(f"{at:,} UMIs: {everything[name]:,}" for at, name in at_usual_cutoffs(self.kept).items())
        table = self.cutoffs.set_index("label").rename_axis(None).to_string(float_format="{:.4g}".format)
        return (
            f"RecommendedCutoff: {self._summary()}\nof {everything['n']:,} cells: {counts}\n"
            f"kept by usual cutoffs, at {usual}\n{table}"
        )

    def _repr_html_(self) -> str:
        cutoffs = self.cutoffs.set_index("label")
        kept = self.kept.astype({"group": str, "name": str}).set_index(["group", "name"])
        return as_html(f"Recommended cutoff: {self._summary()}", styled(cutoffs), styled(kept))

    def _summary(self) -> str:
        if np.isnan(self.umi):
            return "the data cannot say"
        share = f"{self.params['target']:.0%} of cells recognised"
        if np.isinf(self.umi):
            return f"{share}: out of reach up to {self.params['low_umi']:,.10g} UMIs"
        low, high = self.cutoffs[["cutoff_low", "cutoff_high"]].iloc[0]
        return f"{share} from {self.umi:.0f} UMIs on (95 % interval {low:.0f} to {high:.0f})"
