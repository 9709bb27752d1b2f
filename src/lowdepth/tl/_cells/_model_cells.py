"""Cells as a model sees them, at their own depth or thinned."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lowdepth._blocked_counts import BlockedCounts, Portion
from lowdepth._checks import obs_in_memory
from lowdepth._random import stream_key
from lowdepth._umi_totals import total_umis
from lowdepth.model._blocked_latent import blocked_latent
from lowdepth.model._stand_in import registered
from lowdepth.thinning import thin_counts

from ._registered import model_counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from scvi.model.base import BaseModelClass


class ModelCells(NamedTuple):
    """Counts of some cells, with their columns of ``obs`` and the genes; a cell can be there several times.

    The counts are CSR in memory, or rows of a dask array, see :class:`lowdepth._blocked_counts.BlockedCounts`.
    """

    counts: CSBase | BlockedCounts
    obs: pd.DataFrame
    var: pd.DataFrame

    @classmethod
    def of(cls, adata: AnnData, model: BaseModelClass, layer: str | None) -> ModelCells:
        """Take all cells of the user's AnnData; see :func:`lowdepth.tl._cells._registered.model_counts`."""
        return cls(model_counts(adata, model, layer), obs_in_memory(adata), pd.DataFrame(index=adata.var_names))

    @property
    def total_umi(self) -> NDArray[np.float64]:
        """UMIs of each cell."""
        return self.counts.total_umi if isinstance(self.counts, BlockedCounts) else total_umis(self.counts)

    def take(self, rows: NDArray[np.int64]) -> ModelCells:
        """Give some of the cells."""
        return self._replace(counts=self.counts[rows], obs=self.obs.iloc[rows])

    def portions(self, rows: NDArray[np.int64] | None = None) -> Iterator[Portion]:
        """Give some of the cells, by default all, in portions that fit memory: one, if they are there already."""
        rows = np.arange(len(self.obs)) if rows is None else rows
        if isinstance(self.counts, BlockedCounts):
            return self.counts[rows].portions()
        return iter([Portion(np.arange(len(rows)), rows, self.counts)])

    def thinned(
        self, rows: NDArray[np.int64], depth: NDArray[np.float64], generator: np.random.Generator
    ) -> tuple[ModelCells, NDArray[np.int64]]:
        """Thin some of the cells, few, to expected depths; give them and their rows, without those that lose all."""
        cells = self.take(rows)
        counts = thin_counts(cells.loaded(), np.minimum(1.0, depth / cells.total_umi), stream_key(generator))
        left = np.flatnonzero(total_umis(counts) > 0)
        return ModelCells(counts[left], cells.obs.iloc[left], cells.var), rows[left]

    def loaded(self) -> CSBase:
        """Give the counts, CSR; where they are computed from a dask array, the cells are few."""
        return self.counts.load() if isinstance(self.counts, BlockedCounts) else self.counts

    @contextmanager
    def registered(self, model: BaseModelClass) -> Iterator[AnnDataManager]:
        """Register the cells with the model for as long as they are needed; those of a dask array without counts."""
        obs = self.obs.set_axis(np.arange(len(self.obs)).astype(str), axis=0)
        counts = self.counts
        if isinstance(counts, BlockedCounts):
            counts = sp.csr_matrix(counts.shape, dtype=counts.dtype)
        with registered(obs, self.var, model, counts) as manager:
            yield manager

    def latent(self, model: BaseModelClass, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Embed some of the cells, by default all, with the model's encoder."""
        if isinstance(self.counts, BlockedCounts):
            cells = self if rows is None else self.take(rows)
            return blocked_latent(model, cells.counts, cells.obs, cells.var)
        with self.registered(model) as manager:
            return model.get_latent_representation(manager.adata, indices=rows)

    def embedded(self, model: BaseModelClass) -> NDArray[Any]:
        """Embed all cells, and check that this went well."""
        latent = self.latent(model)
        if not np.isfinite(latent).all():
            msg = "the encoder of `model` gives values that are not finite; train it again, with a smaller `lr`"
            raise ValueError(msg)
        return latent
