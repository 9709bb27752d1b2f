"""The types that a cell may be, as many as it takes to be right as often as asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lowdepth._checks import check_own_columns, depths, loaded, representation, warn, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import DepthKeys, PredictionSetKeys, TransferKeys
from lowdepth.tl._cells._depth_bins import bin_of

from ._conformal import calibrated_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

logger = logging.getLogger("lowdepth")

MOST_NAMED = 3
"""Types of a set that its name spells out; larger ones say that nobody can tell."""

NO_TYPE, CANNOT_TELL = "none", "cannot tell"


@shared_docs
def prediction_sets(
    adata: AnnData,
    *,
    alpha: float = 0.1,
    by_type: bool = True,
    transfer: str = "label_transfer",
    key_added: str = "prediction_sets",
    copy: bool = False,
) -> AnnData | None:
    """Give each cell the set of types that holds its own with probability 1 - alpha, whatever its depth.

    Split conformal prediction with the score 1 - p(type | cell) (Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341). The calibration cells are those that :func:`lowdepth.tl.label_transfer`
    held out: deep cells of known type, thinned to the depths of the query. Each type is calibrated by itself in
    each bin of depth, so that the coverage of 1 - alpha holds for each of them: rare types are not given up for
    frequent ones, and types may be as frequent among the query cells as they like. Neighbouring bins merge until they
    hold 2 / alpha cells of the type; a type of fewer than 1 / alpha - 1 held-out cells takes the threshold of all types
    together.

    It holds for cells that are like deep cells, thinned. Real shallow droplets differ from these (ambient RNA, damage).
    At the lowest depths, 20 to 50 UMIs, they covered 88 % of blood cells instead of 90 %, whether or not the model had
    seen the deep cells (docs/labels.md).

    A set of many types is the honest "cannot tell". A set can be empty too. Where the transfer is right
    more often than 1 - alpha, it says that the cell is less like each type than all but a few held-out
    cells are like their own: it is among the least certain ones, or of a type that the reference lacks. Filling
    such sets would cover more than was asked for; choose a smaller alpha to fill them.

    Parameters
    ----------
    {adata}
        With the slots of a transfer.
    alpha
        Share of cells whose set may miss their type; a smaller one makes sets larger.
    by_type
        Calibrate each type by itself. A type whose cells often look like others is then hard to exclude, and
        in many sets. ``False`` takes one threshold for all types: smaller sets, which hold for cells with the type
        frequencies of the reference as a whole, and may hardly ever name a rare type.
    transfer
        Name of the transfer, the ``key_added`` of :func:`lowdepth.tl.label_transfer`.
    key_added
        Name of the columns, the matrix and the record.
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obsm["prediction_sets"]`` : booleans, ``n_obs`` by types in the order of ``uns``
    ``adata.obs["prediction_sets_size"]`` : number of types in the set
    ``adata.obs["prediction_sets"]`` : categorical, the set in words: up to three types, ``"none"`` or ``"cannot tell"``
    ``adata.uns["prediction_sets"]`` : ``params``; ``categories``, the types; ``bins``, a data frame of the bins' depths
    and held-out cells; ``thresholds``, the smallest probability with which each type is in the set, bins by types

    Cells whose probabilities are missing may be of any type; reference cells have their own type alone.

    Raises
    ------
    KeyError
        There is no such transfer, it held no cells out (that takes a model), or ``obs["total_umi"]`` is missing.
    ValueError
        ``alpha`` does not lie between 0 and 1; ``key_added`` holds a ``/`` or names a column of ``obs`` that this
        function did not write.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 300, n_types=3, rng=0)
    >>> ld.pp.depth_metrics(adata)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=500)
    >>> ld.tl.prediction_sets(adata, alpha=0.2)
    >>> adata.obsm["prediction_sets"].shape
    (300, 3)
    """
    if not 0 < alpha < 1:
        msg = f"`alpha={alpha}`: it has to lie between 0 and 1, 0.1 for sets that miss one cell in ten"
        raise ValueError(msg)
    keys = PredictionSetKeys(key_added)
    check_own_columns(adata, keys.obs, entry="thresholds", function="ld.tl.prediction_sets")
    source = TransferKeys(transfer)
    record = _record(adata, source.uns)
    probability = representation(adata, source.probability).astype(np.float64)
    umis = depths(adata, DepthKeys.total_umi)
    bins, highest_score = calibrated_scores(record, alpha, by_type=by_type)
    if np.isinf(highest_score).any():
        warn(
            f"{bins['n'].sum()} held-out cells are too few to exclude a type with `alpha={alpha}` at all depths: sets "
            "hold every type there; choose a larger `alpha`, or give the transfer more reference cells"
        )
    # a missing probability excludes no type
    sets = ~(1 - probability > highest_score[bin_of(umis, bins["umi_low"].to_numpy())])
    certain = (probability > 0).sum(axis=1) == 1
    sets[certain] = probability[certain] > 0

    adata = writable(adata, copy=copy)
    types = np.asarray(record["categories"], object).astype(str)
    adata.obsm[keys.obs] = sets
    adata.obs[keys.size] = sets.sum(axis=1)
    adata.obs[keys.obs] = _in_words(sets, types)
    adata.uns[keys.obs] = {
        "params": {"alpha": alpha, "by_type": by_type, "transfer": transfer},
        "categories": types,
        "bins": bins,
        "thresholds": 1 - highest_score,
    }
    logger.info(
        "added\n    .obs[%r]\n    .obs[%r]\n    .obsm[%r]\n    .uns[%r]", keys.obs, keys.size, keys.obs, keys.obs
    )
    return adata if copy else None


def _record(adata: AnnData, transfer: str) -> Mapping[str, Any]:
    record = loaded(adata.uns.get(transfer, {}))
    missing = [name for name in ("categories", "calibration", "held_out") if name not in record]
    if missing:
        msg = (
            f"adata.uns[{transfer!r}] has no {missing[0]!r} of a label transfer; run `ld.tl.label_transfer(adata, "
            f"label_key, model=..., key_added={transfer!r})`: without a model it holds no cells out"
        )
        raise KeyError(msg)
    return record


def _in_words(sets: NDArray[np.bool_], types: NDArray[np.str_]) -> pd.Categorical[Any]:
    """Name the sets; the categories are those that occur, from the smallest set to the largest."""
    distinct, place = np.unique(sets, axis=0, return_inverse=True)
    words = np.array([_word(members, types) for members in distinct], object)
    by_size = np.lexsort((-np.arange(len(distinct)), distinct.sum(axis=1)))
    return pd.Categorical(words[place], list(dict.fromkeys(words[by_size])))


def _word(members: NDArray[np.bool_], types: NDArray[np.str_]) -> str:
    size = int(members.sum())
    if size > MOST_NAMED or 1 < size == len(types):
        return CANNOT_TELL
    return " or ".join(types[members]) or NO_TYPE
