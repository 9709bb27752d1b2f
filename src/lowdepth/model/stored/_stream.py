"""Minibatches from the disk, in a new order in each epoch."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from annbatch import Loader
from annbatch.abc import Sampler
from lightning.pytorch import LightningDataModule
from scipy.sparse import csr_matrix

from lowdepth.model._schedule import drops_last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annbatch.types import LoadRequest
    from numpy.typing import NDArray

    from ._collection import Collection
    from ._registration import Covariates

LONGEST_RUN = 256
"""Cells that lie side by side on the disk and are read together."""

FEWEST_RUNS = 1000
"""Runs are shorter where there are few cells: training and validation share them out."""

CELLS_IN_MEMORY = 8192
"""Read at a time and dealt into minibatches; they come from all over the disk."""


class RunSampler(Sampler):
    """Which runs annbatch reads together, and how their cells are dealt into minibatches.

    Parameters
    ----------
    runs
        First cell of each run and the one after its last, runs by two.
    batch_size
        Cells of a minibatch.
    rng
        To shuffle runs and cells, or ``None``.
    drop_last
        Leave out the last minibatch if it is not full.
    """

    def __init__(
        self, runs: NDArray[np.int64], batch_size: int, rng: np.random.Generator | None, *, drop_last: bool
    ) -> None:
        self.runs, self._batch_size, self._rng, self.drop_last = runs, batch_size, rng, drop_last

    @property
    def batch_size(self) -> int:
        """Cells of a minibatch."""
        return self._batch_size

    @property
    def shuffle(self) -> bool:
        """Whether the order is a random one."""
        return self._rng is not None

    def n_batches(self, n_obs: int) -> int:
        """Count the minibatches."""
        n_cells = int((self.runs[:, 1] - self.runs[:, 0]).sum())
        return n_cells // self.batch_size if self.drop_last else ceil(n_cells / self.batch_size)

    def validate(self, n_obs: int) -> None:
        """Accept any number of cells: the runs were cut from them."""

    def _sample(self, n_obs: int) -> Iterator[LoadRequest]:
        order = np.arange(len(self.runs)) if self._rng is None else self._rng.permutation(len(self.runs))
        left = np.empty(0, np.int64)
        for some in np.array_split(order, ceil(len(self.runs) * LONGEST_RUN / CELLS_IN_MEMORY)):
            cells = np.concatenate([left, *(np.arange(start, stop) for start, stop in self.runs[some])])
            whole = len(cells) - len(cells) % self.batch_size
            left = cells[whole:]
            if whole:
                yield self._dealt(cells[:whole])
        if len(left) and not self.drop_last:
            yield self._dealt(left)

    def _dealt(self, cells: NDArray[np.int64]) -> LoadRequest:
        dealt = np.arange(len(cells)) if self._rng is None else self._rng.permutation(len(cells))
        return {
            "requests": cells,
            "splits": [dealt[i : i + self.batch_size] for i in range(0, len(cells), self.batch_size)],
        }


class Minibatches:
    """Minibatches of some runs of a collection; their order follows torch's seed, as in memory."""

    def __init__(
        self,
        collection: Collection,
        covariates: Covariates,
        runs: NDArray[np.int64],
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.collection, self.covariates, self.shuffle = collection, covariates, shuffle
        self.sampled = runs, batch_size
        self.drop_last = drop_last

    def __len__(self) -> int:
        return RunSampler(*self.sampled, None, drop_last=self.drop_last).n_batches(0)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng(int(torch.randint(2**62, ()))) if self.shuffle else None
        sampler = RunSampler(*self.sampled, rng, drop_last=self.drop_last)
        loader = Loader(batch_sampler=sampler, return_index=True, preload_to_gpu=False)
        for read in loader.add_datasets(self.collection.datasets):
            yield self.covariates.minibatch(csr_matrix(read["X"]), self.collection.cells[read["index"]])


class StreamedCells(LightningDataModule):
    """A collection for Lightning, split at random into training and validation cells.

    The split is over runs of up to 256 cells that lie side by side: the collection was shuffled cell by cell, so that a
    run is a random sample, and neither part makes the other's bytes be read.

    Parameters
    ----------
    collection
        Counts on the disk.
    covariates
        Of all cells.
    batch_size
        Cells of a minibatch.
    train_size
        Share of the cells to train on.
    seed
        Of the split.
    """

    def __init__(
        self, collection: Collection, covariates: Covariates, *, batch_size: int, train_size: float, seed: int
    ) -> None:
        super().__init__()
        n_obs = len(collection.cells)
        edges = np.append(np.arange(0, n_obs, min(max(n_obs // FEWEST_RUNS, 1), LONGEST_RUN)), n_obs)
        runs = np.stack([edges[:-1], edges[1:]], axis=1)
        order = np.random.default_rng(seed).permutation(len(runs))
        n_train_runs = ceil(train_size * len(runs))
        self.train_runs, self.validation_runs = (
            runs[np.sort(order[part])] for part in (slice(n_train_runs), slice(n_train_runs, None))
        )
        self.n_train, self.n_val = (int(np.diff(part).sum()) for part in (self.train_runs, self.validation_runs))
        self.parts = collection, covariates
        self.batch_size = batch_size

    def train_dataloader(self) -> Minibatches:
        """Give the cells to train on."""
        drop_last = drops_last(self.n_train, self.batch_size)
        return Minibatches(*self.parts, self.train_runs, self.batch_size, shuffle=True, drop_last=drop_last)

    def val_dataloader(self) -> Minibatches | list[Any]:
        """Give the cells that are held out."""
        return Minibatches(*self.parts, self.validation_runs, self.batch_size) if self.n_val else []
