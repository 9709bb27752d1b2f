"""The tutorial's score: how many shallow cells get their own label back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lowdepth._checks import at_least, depths, finite_cells, labels, representation, warn, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys, ScoreKeys
from lowdepth._random import seed_record
from lowdepth._record import given
from lowdepth.tl._transfer._neighbor_vote import DepthSplit, split_by_depth, vote

from ._predictions import Predictions, all_names, coded, finished_transfer
from ._score_result import LabelTransferScore
from ._score_tables import ScoredCells, score_tables, stacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from lowdepth._random import Rng


@shared_docs
def label_transfer_score(
    adata: AnnData,
    label_key: str,
    *,
    use_rep: str | Sequence[str] | None = None,
    transfer: str | Sequence[str] | None = None,
    batch_key: str | None = None,
    low_umi: float = 1000,
    n_neighbors: int = 15,
    n_bootstrap: int = 1000,
    key_added: str = "label_transfer_score",
    rng: Rng = 0,
) -> LabelTransferScore:
    """Score representations, and finished transfers, by how many labels of shallow cells they recover.

    The score of the method's tutorial (Svensson 2026, doi:10.64898/2026.02.11.705441): a
    15-nearest-neighbour classifier, fitted on the deep cells, predicts the shallow ones. Labels
    that any method has written into ``obs`` are scored as they are, with their confidences. All
    are scored on the same cells, those that have a label, are finite in each representation and
    labelled by each transfer. Scores on thinned cells are upper bounds of what happens on real
    shallow droplets, which also hold ambient RNA and come from damaged cells.

    Parameters
    ----------
    {adata}
    {label_key}
        Shallow cells need their true label here.
    use_rep
        Key in ``obsm``, or several to compare.
    transfer
        Column of ``obs`` with predicted labels, or several: the ``key_added`` of
        :func:`lowdepth.tl.label_transfer`, or another method's. The confidence is the column with
        ``"_confidence"`` at its end; without it there is no curve of risk and coverage.
    batch_key
        Column of ``obs``; scores each of its batches by itself too.
    {low_umi}
    n_neighbors
        Deep cells that vote.
    n_bootstrap
        Resamplings of the shallow cells for the 95 % intervals; 0 leaves the intervals out.
        They hold for these cells and this embedding: training again varies more.
    key_added
        Name of the record.
    {rng}

    Returns
    -------
    The scores, also recorded in ``adata.uns["label_transfer_score"]`` with the parameters, as data frames:

    ``overall`` : accuracy, balanced accuracy (the mean recall of the types), macro F1 (the mean F1 score
    of the types that have shallow cells), and the accuracy of the most confident 50, 70 and 90 %
    ``per_type`` : recall, precision and number of cells
    ``per_depth`` : half decades of UMIs below the cutoff
    ``per_batch`` : with ``batch_key``
    ``confusion`` : numbers of cells by true and predicted type, without zeros
    ``risk_coverage`` : accuracy and lowest confidence of the most confident cells, for growing shares of them

    Raises
    ------
    KeyError
        ``obs["total_umi"]``, the label column, a batch column, a representation or a transfer is missing.
    ValueError
        There is nothing to score, by name or in shallow cells; there are no deep cells or fewer
        than neighbours, for representations; a transfer took cells below ``low_umi`` for deep ones,
        or has lost its record in ``uns``; ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> score = ld.tl.label_transfer_score(
    ...     adata, "cell_type", use_rep="X_first_genes", low_umi=adata.obs["total_umi"].median()
    ... )
    >>> score.to_frame()[["n_query", "n_reference"]]
                     n_query  n_reference
    representation
    X_first_genes        ...          ...
    """
    at_least("low_umi", low_umi, 0)
    whole("n_bootstrap", n_bootstrap, 0)
    keys, transfers = _listed(use_rep), _listed(transfer)
    scored = [*keys, *transfers]
    if not scored:
        msg = "`use_rep` names no representation and `transfer` no column; give a key of adata.obsm or adata.obs"
        raise ValueError(msg)
    if len(set(scored)) < len(scored):
        msg = f"`use_rep` and `transfer` name the same thing twice: {', '.join(scored)}; names tell the scores apart"
        raise ValueError(msg)
    latents = {key: representation(adata, key) for key in keys}
    finished = {key: finished_transfer(adata, key, low_umi) for key in transfers}
    batch = None if batch_key is None else labels(adata, batch_key)
    label = labels(adata, label_key)
    names = all_names([label.categories, *(predicted.categories for predicted, _ in finished.values())])
    said = {key: Predictions(coded(predicted, names), confidence) for key, (predicted, confidence) in finished.items()}
    usable = np.all([label.codes >= 0, *(finite_cells(adata, key, "they are not scored") for key in latents)], axis=0)
    split = _split(adata, label_key, low_umi=low_umi, usable=usable, transfers=said, needs_deep=bool(latents))
    unseen = np.setdiff1d(label.codes[split.query], label.codes[split.reference])
    if latents and len(unseen):
        warn(f"No deep cell is labelled {', '.join(names[unseen])}: its shallow cells count as missed.")

    cells = ScoredCells(
        truth=label.codes[split.query],
        names=names.to_numpy(str),
        total_umi=split.total_umi[split.query],
        batch=None if batch is None else batch[split.query],
    )
    if batch is not None and (batch.codes[split.query] < 0).all():
        msg = f"adata.obs[{batch_key!r}] is missing for all {split.query.sum()} cells to score: give them a batch"
        raise ValueError(msg)
    generator = np.random.default_rng(rng)
    options: dict[str, Any] = {
        "low_umi": low_umi,
        "n_bootstrap": n_bootstrap,
        "generator": generator,
        "other_generator": generator.spawn(1)[0],
    }
    by_key = {}
    for key in scored:
        predictions = (
            said[key].of(split.query)
            if key in said
            else Predictions(*vote(latents[key], split, n_neighbors=n_neighbors))
        )
        by_key[key] = score_tables(cells, predictions, **options)
    tables = {name: stacked({key: by_key[key][name] for key in scored}) for name in by_key[scored[0]]}
    overall = tables.pop("overall").astype({"representation": str}).set_index("representation")
    score = LabelTransferScore(
        params=given(
            {
                "label_key": label_key,
                "use_rep": scored,
                "low_umi": low_umi,
                "n_neighbors": n_neighbors,
                "n_bootstrap": n_bootstrap,
                "transfer": transfers or None,
                "batch_key": batch_key,
                **seed_record(rng),
            }
        ),
        overall=overall.assign(n_query=len(cells.truth), n_reference=int(split.reference.sum())),
        **tables,
    )
    writable(adata, copy=False).uns[ScoreKeys(key_added).uns] = score.to_uns()
    return score


def _listed(keys: str | Sequence[str] | None) -> list[str]:
    if keys is None:
        return []
    return [keys] if isinstance(keys, str) else list(keys)


def _split(
    adata: AnnData,
    label_key: str,
    *,
    low_umi: float,
    usable: NDArray[np.bool_],
    transfers: Mapping[str, Predictions],
    needs_deep: bool,
) -> DepthSplit:
    """Give the shallow cells that every transfer has labelled, and the deep ones if somebody has to vote."""
    if needs_deep:
        split = split_by_depth(adata, label_key, low_umi=low_umi, usable=usable)
    else:
        total, label = depths(adata, DepthKeys.total_umi), labels(adata, label_key)
        split = DepthSplit(label, total, usable & (total >= low_umi), usable & (total < low_umi))
    labelled = np.all([split.query, *(said.codes >= 0 for said in transfers.values())], axis=0)
    if not labelled.any():
        msg = (
            f"no cell below `low_umi={low_umi}` has a label in adata.obs[{label_key!r}] and one of each of "
            f"{', '.join(transfers)}; transfer labels to these cells first"
        )
        raise ValueError(msg)
    return replace(split, query=labelled)
