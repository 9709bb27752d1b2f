"""Which cells can be kept, by how well cells of their depth are recognised."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lowdepth._ambient import Ambient, ambient_counts, explain_by_ambient, type_profiles
from lowdepth._checks import check_own_columns, drop_column, labels, warn, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import CutoffKeys, TransferKeys
from lowdepth._random import seed_record
from lowdepth._record import given
from lowdepth.model._seed import as_seed, seeded
from lowdepth.tl._cells._deep_cells import grid_of, least_voters
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model
from lowdepth.tl._score._predictions import finished_transfer
from lowdepth.tl._score._score_tables import stacked

from ._crossing import ALL_CELLS
from ._curve_result import RecoveryCurve
from ._cutoff_result import RecommendedCutoff
from ._keep import Cutoff, choose, kept_table
from ._measured_cutoff import clustered, measured_cutoff, nearest_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth._ambient import AmbientProfile
    from lowdepth._random import Rng

    from ._measured_cutoff import MeasuredCutoff

logger = logging.getLogger("lowdepth")

FEW_CELLS = 100
"""Deep cells: an accuracy of 0.8 among them is known to 8 points."""


@shared_docs
def recommend_cutoff(
    adata: AnnData,
    model: BaseModelClass,
    label_key: str | None = None,
    *,
    target: float = 0.8,
    depths: Sequence[float] | None = None,
    low_umi: float = 1000,
    sample_key: str | None = None,
    transfer: str | None = None,
    ambient_profile: AmbientProfile | None = None,
    n_neighbors: int = 15,
    n_clusters: int = 10,
    max_obs: int = 2000,
    n_bootstrap: int = 1000,
    layer: str | None = None,
    key_added: str = "keep",
    progress_bar: bool = True,
    rng: Rng = 0,
) -> RecommendedCutoff:
    """Find the depth from which on cells are recognised, and say of each cell whether to keep it.

    **Cutoff.** Deep cells are thinned to a grid of depths and recognised by other deep cells, see
    :func:`lowdepth.tl.recovery_curve`. The share of cells that are recognised is made monotone in the
    depth (isotonic regression); the cutoff is where it reaches ``target``, between two depths on a
    straight line in the logarithm, for all cells and for each type. Intervals come from resampling
    the cells, each with what became of it at all depths. Without labels, the types are clusters of
    the deep cells in the embedding.

    **Cells.** Deep cells are kept. A shallow cell is kept at or above the cutoff of all cells, if its label
    has a confidence of ``target`` or more, dropped below the cutoff with a smaller confidence, and flagged
    where the two disagree. Without a finished :func:`lowdepth.tl.label_transfer`, or without a confidence
    in it, the depth decides alone: cells above the interval of the cutoff are kept, those below it
    dropped, those inside flagged.

    **Ambient RNA.** A shallow cell is compared with ambient RNA, and with each type in which there is some
    of it. Cells that are explained no worse by ambient RNA alone, beyond chance, are dropped: a model
    puts them next to some type all the same. Of empty droplets one in twenty passes at most.

    Thinned clean cells are easier than real shallow droplets, and the model may have been trained on
    them: the cutoff is a lower bound of what real cells need.

    Parameters
    ----------
    {adata}
    model
        Trained model with scVI's decoder, e.g. what :func:`lowdepth.tl.joint_embedding` returns.
    label_key
        Column of ``obs`` that holds the labels; those of deep cells are used. ``None`` clusters the deep cells.
    target
        Share of the cells to recognise.
    depths
        UMIs to thin to, at most ``low_umi``; ``None`` takes 20, 30, 50, 100, 200, 300, 500 and so on, up to it.
        No cutoff is below the first of them.
    {low_umi}
    sample_key
        Column of ``obs``; counts what is kept of each sample too.
    transfer
        ``key_added`` of a finished label transfer; ``None`` takes ``"label_transfer"``, if it is there.
    {ambient_profile}
    n_neighbors
        Deep cells that vote.
    n_clusters
        Clusters without labels, fewer where there are less than ten deep cells for each.
    max_obs
        Deep cells that are thinned, drawn at random.
    n_bootstrap
        Resamplings for the 95 % intervals, at least 1.
    {model_layer}
    key_added
        Name of the column and the record.
    progress_bar
        Show the progress, depth by depth.
    {rng_of_thread_count}

    Returns
    -------
    The recommendation, whose tables say how many cells of each type and sample are kept, flagged and dropped, beside
    the usual cutoffs of 200, 500 and 1,000 UMIs; shallow cells count for the type that the transfer, or
    else the nearest deep cells, take them for. Writes

    ``adata.obs["keep"]`` : categorical, ``"keep"``, ``"flag"`` or ``"drop"``
    ``adata.obs["keep_ambient_share"]`` : with an ambient profile, its share of a shallow cell, missing in deep ones
    ``adata.uns["keep"]`` : ``params``; data frames ``cutoffs`` and ``kept``, and ``overall`` and ``per_type`` of the
    curve, see :func:`lowdepth.pl.recovery_curve`

    Warns
    -----
    UserWarning
        There are no or too few deep cells, or one type only: shallow cells are flagged. There are fewer than
        100 deep cells; the target is out of reach.

    Raises
    ------
    TypeError
        The model has no decoder like scVI's.
    NotImplementedError
        The model holds minified data, or the counts are backed by a file.
    KeyError
        There is no such layer, label column, sample column or transfer, or a column that the model needs is missing.
    ValueError
        ``target`` is not between 0 and 1; a depth is not above 0, or is above ``low_umi``; the
        ambient profile does not fit; the transfer took cells below ``low_umi`` for deep ones; the
        model does not fit; ``key_added`` holds a ``/`` or names a column of ``obs`` that this function did not write.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> found = ld.tl.recommend_cutoff(adata, model, "cell_type", target=0.1, low_umi=500, progress_bar=False)
    >>> adata.obs["keep"].cat.categories.to_list()
    ['keep', 'flag', 'drop']
    """
    keys = CutoffKeys(key_added)
    check_own_columns(adata, keys.obs, entry="cutoffs", function="ld.tl.recommend_cutoff")
    if not 0 < target < 1:
        msg = f"`target={target}`: it has to lie between 0 and 1, both excluded"
        raise ValueError(msg)
    for name, number in {
        "n_neighbors": n_neighbors,
        "n_clusters": n_clusters,
        "max_obs": max_obs,
        "n_bootstrap": n_bootstrap,
    }.items():
        whole(name, number, 1)
    grid = grid_of(depths, low_umi)
    check_model(model)
    label = None if label_key is None else labels(adata, label_key)
    sample = None if sample_key is None else labels(adata, sample_key)
    predicted, confidence = _transferred(adata, transfer, low_umi)
    ambient = None if ambient_profile is None else ambient_counts(ambient_profile, adata)
    cells = ModelCells.of(adata, model, layer)
    total_umi = cells.total_umi

    seed = as_seed(rng)
    with seeded(seed), tqdm(total=len(grid), desc="recovery", disable=not progress_bar) as progress:
        if label is None:
            label = clustered(cells, model, low_umi=low_umi, n_clusters=n_clusters, seed=seed)
        is_known = (total_umi >= low_umi) & (label.codes >= 0)
        obstacle = _obstacle(label.codes[is_known], low_umi, n_neighbors)
        measured = None
        if obstacle is None:
            measured = measured_cutoff(
                cells,
                label,
                model,
                grid,
                target=target,
                low_umi=low_umi,
                n_neighbors=n_neighbors,
                max_obs=max_obs,
                n_bootstrap=n_bootstrap,
                generator=np.random.default_rng(seed),
                progress=progress,
            )
        if predicted is None and is_known.any():
            codes = nearest_types(cells, label, model, low_umi=low_umi, n_neighbors=n_neighbors)
            predicted = pd.Categorical.from_codes(codes, dtype=label.dtype)
    _warn(obstacle, measured, int(is_known.sum()), target, low_umi)

    explained = _explained(cells, label.codes, ambient, is_known=is_known, is_shallow=total_umi < low_umi)
    cutoffs = _nothing_known() if measured is None else measured.cutoffs
    cutoff = Cutoff(*cutoffs.iloc[0][["cutoff", "cutoff_low", "cutoff_high"]].astype(float))
    choice = choose(total_umi, cutoff, confidence, explained.only, low_umi=low_umi, target=target)
    groups = {} if predicted is None else {"type": predicted}
    groups |= {} if sample is None else {"sample": sample}
    params = given(
        {
            "label_key": label_key,
            "target": target,
            "low_umi": low_umi,
            "n_neighbors": n_neighbors,
            "max_obs": max_obs,
            "n_bootstrap": n_bootstrap,
            "sample_key": sample_key,
            "transfer": transfer,
            "n_ambient_only": None if ambient is None else int(explained.only.sum()),
            "n_clusters": n_clusters if label_key is None else None,
            "layer": layer,
            **seed_record(rng),
        }
    )
    found = RecommendedCutoff(
        params=params,
        cutoffs=cutoffs,
        kept=kept_table(choice, total_umi, groups),
        curve=_curve(measured, type(model).__name__, {**params, "depths": grid}),
    )
    adata = writable(adata, copy=False)
    adata.obs[keys.obs] = choice
    drop_column(adata, keys.ambient_share)
    if ambient is not None:
        adata.obs[keys.ambient_share] = explained.share
    adata.uns[keys.uns] = found.to_uns()
    logger.info("cutoff %.0f; added\n    .obs[%r]\n    .uns[%r]", found.umi, keys.obs, keys.uns)
    return found


def _explained(
    cells: ModelCells,
    codes: NDArray[np.integer],
    ambient: NDArray[np.float64] | None,
    *,
    is_known: NDArray[np.bool_],
    is_shallow: NDArray[np.bool_],
) -> Ambient:
    share, only = np.full(len(codes), np.nan), np.zeros(len(codes), bool)
    known, shallow = np.flatnonzero(is_known), np.flatnonzero(is_shallow)
    if ambient is not None and len(known) and len(shallow):
        present = np.unique(codes[known])
        types = np.zeros((len(present), len(ambient)))
        for portion in cells.portions(known):
            own = codes[known[portion.positions]]
            types[np.searchsorted(present, np.unique(own))] += type_profiles(portion.counts[portion.rows], own)
        for portion in cells.portions(shallow):
            rows = shallow[portion.positions]
            share[rows], only[rows] = explain_by_ambient(portion.counts[portion.rows], types, ambient)
    return Ambient(share, only)


def _transferred(
    adata: AnnData, transfer: str | None, low_umi: float
) -> tuple[pd.Categorical[Any] | None, NDArray[np.float64]]:
    if transfer is None and TransferKeys.obs not in adata.obs:
        return None, np.full(adata.n_obs, np.nan)
    return finished_transfer(adata, transfer or TransferKeys.obs, low_umi)


def _obstacle(codes: NDArray[np.integer], low_umi: float, n_neighbors: int) -> str | None:
    """Say why recovery cannot be measured, if so."""
    deep = f"cells at or above `low_umi={low_umi}`"
    if not len(codes):
        return f"There are no {deep} with a type"
    if len(np.unique(codes)) == 1:
        return f"All {len(codes)} {deep} are of one type, which is recognised at any depth"
    if least_voters(len(codes)) < n_neighbors or np.bincount(codes).max() < 2:
        return f"{len(codes)} {deep} with a type are too few to recognise each other"
    return None


def _warn(obstacle: str | None, measured: MeasuredCutoff | None, n_deep: int, target: float, low_umi: float) -> None:
    if measured is None:
        warn(f"{obstacle}: the data cannot tell a cutoff, and all shallow cells are flagged.")
        return
    if n_deep < FEW_CELLS:
        warn(f"There are only {n_deep} deep cells with a type: the cutoffs are uncertain, look at their intervals.")
    first = measured.cutoffs.iloc[0]
    if np.isinf(first["cutoff"]):
        warn(
            f"Of deep cells thinned to {measured.tables['overall']['depth'].iloc[-1]:.0f} UMIs "
            f"{first['recovery_at_most']:.0%} are recognised, less than `target={target}`: no depth below "
            f"`low_umi={low_umi}` is enough."
        )


def _nothing_known() -> pd.DataFrame:
    unknown = dict.fromkeys(("cutoff", "cutoff_low", "cutoff_high", "recovery_at_most"), np.nan)
    return pd.DataFrame([{"label": ALL_CELLS, **unknown, "n": 0}]).astype({"label": "category"})


def _curve(measured: MeasuredCutoff | None, name: str, params: dict[str, Any]) -> RecoveryCurve | None:
    if measured is None:
        return None
    tables = {table: stacked({name: rows}, "model") for table, rows in measured.tables.items()}
    return RecoveryCurve(params={"label_key": "cluster", **params, "models": [name]}, **tables)
