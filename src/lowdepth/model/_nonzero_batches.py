"""Minibatches that hold the non-zeros only, cut from a CSR matrix in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scvi import REGISTRY_KEYS
from scvi.data import AnnTorchDataset
from scvi.dataloaders import DataSplitter
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from lowdepth._csr import sorted_csr

from .engine import take_rows
from .ranks import JoinedBatches

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import ArrayLike, NDArray
    from scvi.data import AnnDataManager

X_KEY = REGISTRY_KEYS.X_KEY

RESIDENT_SHARE = 0.5
"""Counts that take at most this part of a GPU's free memory move there once, the rest is for the model."""


class CellsOnDevice:
    """Cells to select where the counts are, and how many non-zeros they have."""

    def __init__(self, index: torch.Tensor, n_nonzero: int) -> None:
        self.index, self.n_nonzero = index, n_nonzero

    def to(self, device: torch.device, **transfer: Any) -> CellsOnDevice:
        """Give the same cells on another device."""
        return CellsOnDevice(self.index.to(device, **transfer), self.n_nonzero)


class NonzeroDataset(Dataset):
    """The cells of a registered AnnData, many at a time: counts sparse, covariates as scvi-tools has them."""

    def __init__(
        self,
        adata_manager: AnnDataManager,
        indices: ArrayLike | None,
        *,
        counts: CSBase | None = None,
        resident: bool = False,
    ) -> None:
        cells = np.arange(adata_manager.adata.n_obs)
        self.indices = cells if indices is None else cells[np.asarray(indices)]
        self.counts = sorted_csr(adata_manager.get_from_registry(X_KEY)) if counts is None else counts
        covariates = [key for key in adata_manager.data_registry if key != X_KEY]
        self.covariates = AnnTorchDataset(adata_manager, getitem_tensors=covariates)
        self.resident = resident

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, positions: list[int]) -> dict[str, Any]:
        """Give the cells at these positions."""
        cells = self.indices[positions]
        batch = self.covariates[cells]
        if self.resident:
            n_nonzero = int((self.counts.indptr[cells + 1] - self.counts.indptr[cells]).sum())
            return {X_KEY: CellsOnDevice(torch.from_numpy(cells), n_nonzero), **batch}
        return {X_KEY: take_rows(self.counts, cells), **batch}


class NonzeroLoader(DataLoader):
    """Minibatches of a :class:`NonzeroDataset`, in the order that scvi-tools' own have under the same seed.

    They are cut in this process whatever ``scvi.settings.dl_num_workers`` says: it takes a
    millisecond, and the threads that cut them do not survive a fork. ``load_sparse_tensor`` and
    ``distributed_sampler`` are there for scvi-tools, which passes them to all loaders: these minibatches
    are always sparse, and with a ``joined_seed`` they are one process's share of those of several.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager,
        indices: ArrayLike | None = None,
        *,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        distributed_sampler: bool = False,
        load_sparse_tensor: bool = True,
        joined_seed: int | None = None,
        counts: CSBase | None = None,
        resident: bool = False,
        **loader_kwargs: Any,
    ) -> None:
        dataset = NonzeroDataset(adata_manager, indices, counts=counts, resident=resident)
        sampler: Any
        if joined_seed is not None:
            sampler = JoinedBatches(dataset, batch_size=batch_size, shuffle=shuffle, seed=joined_seed)
        else:
            cells = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            sampler = BatchSampler(cells, batch_size, drop_last)
        super().__init__(dataset, batch_size=None, sampler=sampler, **loader_kwargs)


class NonzeroDataSplitter(DataSplitter):
    """scvi-tools' split into training, validation and test cells, with sparse minibatches.

    On a GPU whose memory has the room, all counts move there once and the minibatches are cut there.
    """

    data_loader_cls = NonzeroLoader
    train_idx: NDArray[np.int64]
    val_idx: NDArray[np.int64]
    test_idx: NDArray[np.int64]

    def setup(self, stage: str | None = None) -> None:
        """Split the cells, and decide where the counts will be."""
        super().setup(stage)
        if self.trainer.world_size > 1:
            # without a seed each process would split the cells in its own way
            own = self.train_idx, self.val_idx, self.test_idx, int(torch.randint(2**31, ()))
            self.train_idx, self.val_idx, self.test_idx, seed = self.trainer.strategy.broadcast(own)
            self.data_loader_kwargs["joined_seed"] = seed
        counts = sorted_csr(self.adata_manager.get_from_registry(X_KEY))
        device = self.trainer.strategy.root_device
        self.resident = None
        if fits(counts, device):
            self.resident = take_rows(counts, np.arange(counts.shape[0])).to(device)
        self.data_loader_kwargs |= {"counts": counts, "resident": self.resident is not None}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Cut the minibatch where the counts are."""
        cells = batch[X_KEY]
        if isinstance(cells, CellsOnDevice) and self.resident is not None:
            batch[X_KEY] = self.resident.take_rows(cells.index, cells.n_nonzero)
        return batch


def fits(counts: CSBase, device: torch.device) -> bool:
    """Tell whether the counts should be on the device once and for all: it is a GPU that has the room."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return counts.nnz * 8 < RESIDENT_SHARE * free
