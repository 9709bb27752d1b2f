"""What earlier steps left in an AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from lowdepth._checks import depths, loaded, obs_column, obs_in_memory, representation
from lowdepth._keys import DepthKeys, RefineKeys, TransferKeys

if TYPE_CHECKING:
    from numpy.typing import NDArray

USUAL_CUTOFF = 1000
"""Of quality control, where no step has recorded another."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The slots that the sections of a page read; sections without theirs stay away."""

    adata: AnnData
    n_vars: int
    use_rep: str
    transfer: TransferKeys
    basis: str | None
    sample_key: str | None
    low_umi: float

    @property
    def total_umi(self) -> NDArray[np.float64] | None:
        """Depths of the cells."""
        return depths(self.adata, DepthKeys.total_umi) if DepthKeys.total_umi in self.adata.obs else None

    @property
    def shallow(self) -> NDArray[np.bool_] | None:
        """Cells below the cutoff."""
        return None if self.total_umi is None else self.total_umi < self.low_umi

    def record(self, key: str) -> Mapping[str, Any]:
        """Give what a step recorded in ``uns``; nothing where it was not run."""
        record = self.adata.uns.get(key, {})
        return record if isinstance(record, Mapping) else {}

    def params(self, key: str) -> Mapping[str, Any]:
        """Give the parameters that a step recorded."""
        return self.record(key).get("params", {})

    @property
    def transferred(self) -> Mapping[str, Any]:
        """Record of the label transfer."""
        return self.record(self.transfer.uns) if self.transfer.confidence in self.adata.obs else {}


def find(
    adata: AnnData,
    *,
    use_rep: str,
    transfer: str,
    basis: str | None,
    sample_key: str | None,
    low_umi: float | None,
) -> Found:
    """Look for the slots, without the counts: plots then write their colours into a copy."""
    if basis is not None:
        representation(adata, basis)
    if sample_key is not None:
        obs_column(adata, sample_key)
    light = AnnData(obs=obs_in_memory(adata).copy(), obsm=dict(adata.obsm), uns=loaded(adata.uns))
    found = Found(
        adata=light,
        n_vars=adata.n_vars,
        use_rep=use_rep,
        transfer=TransferKeys(transfer),
        basis=basis or _layout(light, use_rep),
        sample_key=sample_key,
        low_umi=USUAL_CUTOFF if low_umi is None else low_umi,
    )
    batch_key = found.params(use_rep.removeprefix("X_")).get("batch_key")
    sample_key = sample_key or (batch_key if batch_key in light.obs else None)
    return Found(**vars(found) | {"sample_key": sample_key, "low_umi": _cutoff(found) if low_umi is None else low_umi})


def _layout(adata: AnnData, use_rep: str) -> str | None:
    own = [f"{rep}_{method}" for rep in (f"{use_rep}_refined", use_rep) for method in ("tsne", "umap")]
    present = [key for key in (*own, "X_umap", "X_tsne") if key in adata.obsm and np.shape(adata.obsm[key])[1:] == (2,)]
    return present[0] if present else None


def _cutoff(found: Found) -> float:
    steps = (found.transfer.uns, RefineKeys(f"{found.use_rep}_refined").uns, DepthKeys.uns)
    recorded = [found.params(step)["low_umi"] for step in steps if "low_umi" in found.params(step)]
    return float(recorded[0]) if recorded else USUAL_CUTOFF
