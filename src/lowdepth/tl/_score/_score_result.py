"""The scores of a label transfer, to read and to show."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lowdepth._checks import one_of
from lowdepth._record import given, storable
from lowdepth.tl._notebook import as_html, styled

if TYPE_CHECKING:
    import pandas as pd

CAVEAT = "Thinned clean cells are easier than real shallow droplets (ambient RNA, damage): read these as upper bounds."


@dataclass(frozen=True, repr=False, kw_only=True)
class LabelTransferScore:
    """How well the labels of shallow cells were recovered.

    :func:`lowdepth.tl.label_transfer_score` returns it.

    Parameters
    ----------
    params
        Label column, cutoff, number of neighbours, and what was scored: ``use_rep`` lists representations
        and transfers, ``transfer`` the latter alone.
    overall
        One row per representation: ``accuracy``, ``balanced_accuracy`` and ``macro_f1`` with 95 % intervals
        (``accuracy_low``, ``accuracy_high`` and so on), ``accuracy_most_confident_50``, ``_70`` and ``_90`` per cent,
        ``n_query`` shallow and ``n_reference`` deep cells.
    per_type
        One row per ``representation`` and type (``label``): ``recall`` with interval, ``precision``, cells ``n``.
    per_depth
        One row per ``representation`` and half decade of UMIs (``umi_low`` inclusive, ``umi_high``): accuracies as
        overall, ``n``.
    confusion
        One row per ``representation`` and pair of true (``label``) and ``predicted`` type that occurs: ``n``.
    risk_coverage
        One row per ``representation`` and ``coverage``, the share of the most confident cells: their ``accuracy`` and
        lowest ``confidence``.
    per_batch
        One row per ``representation`` and ``batch``, if batches were asked for: scores as overall, ``n``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> cutoff = adata.obs["total_umi"].median()
    >>> score = ld.tl.label_transfer_score(adata, "cell_type", use_rep="X_first_genes", low_umi=cutoff)
    >>> bool(score.recall_table()["X_first_genes"].between(0, 1).all())
    True
    """

    params: dict[str, Any]
    overall: pd.DataFrame
    per_type: pd.DataFrame
    per_depth: pd.DataFrame
    confusion: pd.DataFrame
    risk_coverage: pd.DataFrame
    per_batch: pd.DataFrame | None = None

    def to_frame(self) -> pd.DataFrame:
        """Give the overall scores, one row per representation."""
        return self.overall.copy()

    def recall_table(self) -> pd.DataFrame:
        """Give the recall of each type, one column per representation, the last one sorted."""
        table = self.per_type.pivot_table(index="label", columns="representation", values="recall", observed=True)
        return table[self.params["use_rep"]].sort_values(self.params["use_rep"][-1], ascending=False)

    def confusion_matrix(self, representation: str | None = None, *, normalize: bool = False) -> pd.DataFrame:
        """Give the numbers of cells, true types by predicted types, of one representation (by default the last).

        With ``normalize`` each row gives shares of the type's cells, with the recall on the diagonal.
        """
        scored = self.params["use_rep"]
        representation = scored[-1] if representation is None else representation
        one_of("representation", representation, scored)
        pairs = self.confusion[self.confusion["representation"] == representation]
        counts = pairs.pivot_table(index="label", columns="predicted", values="n", aggfunc="sum", observed=True)
        counts = counts.fillna(0).astype(int)
        return counts.div(counts.sum(axis=1), axis=0) if normalize else counts

    def to_uns(self) -> dict[str, Any]:
        """Give the form that is recorded in ``uns``, which h5ad and zarr can hold."""
        tables = {table.name: getattr(self, table.name) for table in fields(self) if table.name != "params"}
        return {"params": storable(self.params), **given(tables)}

    def __repr__(self) -> str:
        shown = self.overall[["accuracy", "balanced_accuracy", "macro_f1"]].to_string(float_format="{:.3f}".format)
        return f"LabelTransferScore: {self._summary()}\n{shown}\n{CAVEAT}"

    def _repr_html_(self) -> str:
        recall = styled(self.recall_table(), shares=self.params["use_rep"])
        return as_html(f"Label transfer: {self._summary()}", styled(self.overall), recall, note=CAVEAT)

    def _summary(self) -> str:
        n_query, n_reference = self.overall[["n_query", "n_reference"]].iloc[0]
        cells = f"labels {self.params['label_key']!r} of {n_query:,} cells below {self.params['low_umi']:,} UMIs"
        if len(self.params.get("transfer", [])) == len(self.params["use_rep"]):
            return cells
        return f"{cells}, by {self.params['n_neighbors']} neighbours among {n_reference:,} cells above"
