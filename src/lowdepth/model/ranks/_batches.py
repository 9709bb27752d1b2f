"""Which cells each process sees."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import DistributedSampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized


class JoinedBatches(DistributedSampler):
    """Minibatches of cells, cut into the processes' shares.

    In an epoch each cell is seen once, by one process. There are as many minibatches as one process
    would make of all processes' ``batch_size``, all of one size but for one cell, and so are their shares:
    there is no incomplete last one. The order is another one in each epoch and follows the seed.

    Parameters
    ----------
    cells
        What is to be shared out.
    batch_size
        Most cells of a share.
    shuffle
        Draw the order of the cells.
    seed
        Of the order, the same in all processes.
    """

    def __init__(self, cells: Sized, *, batch_size: int, shuffle: bool, seed: int = 0) -> None:
        super().__init__(cells, shuffle=shuffle, seed=seed)
        self.n_cells, self.batch_size = len(cells), batch_size
        if self.n_cells // len(self) < self.num_replicas:
            msg = (
                f"{self.num_replicas} devices cannot share {self.n_cells} cells in minibatches of "
                f"`batch_size={batch_size}`: each needs a cell of every one; use fewer devices or more cells"
            )
            raise ValueError(msg)

    def __iter__(self) -> Iterator[list[int]]:
        """Give the places of this process's cells, minibatch by minibatch."""
        order = np.arange(self.n_cells)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for joined in np.array_split(order, len(self)):
            yield joined[self.rank :: self.num_replicas].tolist()

    def __len__(self) -> int:
        """Give the number of minibatches."""
        return ceil(self.n_cells / (self.batch_size * self.num_replicas))
