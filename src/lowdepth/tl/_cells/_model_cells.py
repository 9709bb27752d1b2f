"""Cells as a model sees them, at their own depth or thinned."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from anndata import AnnData

from lowdepth._checks import total_umis
from lowdepth._random import stream_key
from lowdepth.thinning import thin_counts

from ._registered import registered

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from scvi.model.base import BaseModelClass


class ModelCells(NamedTuple):
    """Counts of some cells, CSR, with their columns of ``obs`` and the genes; a cell can be there several times."""

    counts: CSBase
    obs: pd.DataFrame
    var: pd.DataFrame

    @property
    def total_umi(self) -> NDArray[np.float64]:
        """UMIs of each cell."""
        return total_umis(self.counts)

    def take(self, rows: NDArray[np.int64]) -> ModelCells:
        """Give some of the cells."""
        return self._replace(counts=self.counts[rows], obs=self.obs.iloc[rows])

    def thinned(
        self, rows: NDArray[np.int64], depth: NDArray[np.float64], generator: np.random.Generator
    ) -> tuple[ModelCells, NDArray[np.int64]]:
        """Thin some of the cells to expected depths; give them and their rows, without those that lose every UMI."""
        cells = self.take(rows)
        counts = thin_counts(cells.counts, np.minimum(1.0, depth / cells.total_umi), stream_key(generator))
        left = np.flatnonzero(total_umis(counts) > 0)
        return ModelCells(counts[left], cells.obs.iloc[left], cells.var), rows[left]

    @contextmanager
    def registered(self, model: BaseModelClass) -> Iterator[AnnDataManager]:
        """Register the cells with the model for as long as they are needed."""
        obs = self.obs.set_axis(np.arange(len(self.obs)).astype(str), axis=0)
        with registered(AnnData(obs=obs, var=self.var[[]]), model, self.counts) as manager:
            yield manager

    def embedded(self, model: BaseModelClass) -> NDArray[Any]:
        """Embed the cells with the model's encoder."""
        with self.registered(model) as manager:
            latent = model.get_latent_representation(manager.adata)
        if not np.isfinite(latent).all():
            msg = "the encoder of `model` gives values that are not finite; train it again, with a smaller `lr`"
            raise ValueError(msg)
        return latent
