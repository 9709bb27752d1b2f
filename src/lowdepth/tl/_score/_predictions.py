"""What is said of the query cells, by neighbours in a representation or by a finished transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lowdepth._checks import loaded, numbers, obs_column
from lowdepth._keys import TransferKeys

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


class Predictions(NamedTuple):
    """Codes of the predicted types, -1 for none, and their confidences, NaN where there are none."""

    codes: NDArray[np.integer]
    confidence: NDArray[np.float64]

    def of(self, cells: NDArray[np.bool_]) -> Predictions:
        """Give those of some cells."""
        return Predictions(self.codes[cells], self.confidence[cells])


def finished_transfer(adata: AnnData, transfer: str, low_umi: float) -> tuple[pd.Categorical[Any], NDArray[np.float64]]:
    """Get what a transfer wrote into ``obs``: types, missing for cells that kept their own, and confidences."""
    keys = TransferKeys(transfer)
    predicted = pd.Categorical(obs_column(adata, keys.obs, what="finished transfer"))
    record = loaded(adata.uns.get(keys.uns, {}))
    params = record.get("params", {})
    if not params and keys.entropy in adata.obs:
        msg = (
            f"adata.obs[{keys.obs!r}] is of `ld.tl.label_transfer`, and its record adata.uns[{keys.uns!r}] is lost, by "
            "which cells that kept their own label are told; keep it with `ad.concat(..., uns_merge='first')`"
        )
        raise ValueError(msg)
    if params.get("low_umi", low_umi) < low_umi:
        msg = (
            f"`low_umi={low_umi}`: cells of {params['low_umi']} UMIs or more kept their own label in the transfer "
            f"{transfer!r}; score it with `low_umi={params['low_umi']}`, or transfer again"
        )
        raise ValueError(msg)
    if "reference" in params or "reference" in record:
        is_reference = (
            obs_column(adata, params["reference"]).to_numpy(bool)
            if "reference" in params
            else adata.obs_names.isin(record["reference"])
        )
        predicted = pd.Categorical.from_codes(np.where(is_reference, -1, predicted.codes), dtype=predicted.dtype)
    if keys.confidence not in adata.obs:
        return predicted, np.full(adata.n_obs, np.nan)
    return predicted, numbers(adata.obs[keys.confidence], f"adata.obs[{keys.confidence!r}]")


def all_names(categories: list[pd.Index[Any]]) -> pd.Index[str]:
    """Give the names of all types, those of the first categories first.

    >>> all_names([pd.Index(["b", "a"]), pd.Index(["c", "a"])]).tolist()
    ['b', 'a', 'c']
    """
    return pd.Index(list(dict.fromkeys(str(name) for names in categories for name in names)))


def coded(predicted: pd.Categorical[Any], names: pd.Index[str]) -> NDArray[np.integer]:
    """Give the places of the predicted types among the names, -1 for none.

    >>> coded(pd.Categorical(["b", None, "a"]), pd.Index(["a", "b"]))
    array([ 1, -1,  0])
    """
    places = np.append(names.get_indexer(predicted.categories.astype(str)), -1)
    return places[predicted.codes]
