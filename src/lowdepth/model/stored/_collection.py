"""Counts in a shuffled order on the disk, so that runs of them are a sample of all cells."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import annbatch.io
import anndata as ad
import numpy as np
import pandas as pd
import zarr
from annbatch import DatasetCollection
from filelock import FileLock
from tqdm.auto import tqdm

from lowdepth._checks import total_umis
from lowdepth._files import flush, remove

from ._sources import CELLS_OF_A_BLOCK
from ._write_back import quiet_zarr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ._sources import Source

logger = logging.getLogger("lowdepth")

BLOCKS_TO_RECOGNISE = 32
"""Read of each source to tell whether its cells were shuffled before."""

SHUFFLED_IN_MEMORY = 256 * 2**20
"""Bytes of the non-zeros that annbatch is asked to shuffle at a time; it takes several times as much memory."""

BYTES_OF_A_COUNT = 8
"""Value and gene of a non-zero, before they are compressed."""


@dataclass(frozen=True)
class Collection:
    """Counts on the disk in the order of training."""

    datasets: list[Any]
    """CSR datasets of zarr, or dense zarr arrays, as annbatch's loader takes them."""
    cells: NDArray[np.int64]
    """Position of each cell in the order of the user."""
    gene_umis: NDArray[np.float64]
    """UMIs of each gene over all cells."""
    deepest: float
    """UMIs of the cell that has most."""
    fingerprint: str
    """Digest of what is in it."""


def shuffled(sources: Sequence[Source], folder: Path, *, progress_bar: bool) -> Collection:
    """Shuffle the cells of all sources once; what was shuffled before is recognised and used again.

    The collection has the sources' fingerprint as its name, and has it only when it is complete. A process that was
    killed leaves a part, which the next one removes; processes that want the same one wait for each other.

    Raises
    ------
    OSError
        The disk has not the room.
    ValueError
        The counts are none, or a cell has none.
    """
    fingerprint, non_zeros_per_cell = _recognise(sources)
    path = folder / f"cells-{fingerprint}.zarr"
    if not path.exists():
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        part, lock = folder / f"cells-{fingerprint}.part.zarr", folder / ".lock"
        try:
            with FileLock(lock):
                remove(part)
                if not path.exists():
                    _shuffle(sources, part, non_zeros_per_cell, progress_bar=progress_bar)
                    flush(part)
                    part.rename(path)
        except BaseException:
            for left in [folder] if made else [part, lock]:
                remove(left)
            raise
    return _read(path, fingerprint)


def as_it_is(
    collection: DatasetCollection, sources: Sequence[Source], layer: str | None, *, progress_bar: bool
) -> Collection:
    """Take a user's own collection, whose order is that of its cells; all of it is read once, and checked."""
    datasets = [_dataset(group["X" if layer is None else f"layers/{layer}"]) for group in collection]
    n_obs = sum(source.n_obs for source in sources)
    fingerprint, _ = _recognise(sources)
    return Collection(datasets, np.arange(n_obs), *_measure(sources, progress_bar=progress_bar), fingerprint)


def _recognise(sources: Sequence[Source]) -> tuple[str, float]:
    """Digest genes, sizes and some blocks of the counts, and say how many non-zeros a cell has in these."""
    digest = blake2b(digest_size=8)
    n_cells = n_nonzero = 0
    for source in sources:
        digest.update(repr((source.counts.shape, source.var_names)).encode())
        n_blocks = source.counts.numblocks[0]
        for index in np.unique(np.linspace(0, n_blocks - 1, BLOCKS_TO_RECOGNISE).astype(int)):
            block = source.block(index)
            for part in (block.data, block.indices, block.indptr):
                digest.update(np.ascontiguousarray(part))
            n_cells, n_nonzero = n_cells + block.shape[0], n_nonzero + block.nnz
    return digest.hexdigest(), n_nonzero / n_cells


def _shuffle(sources: Sequence[Source], path: Path, non_zeros_per_cell: float, *, progress_bar: bool) -> None:
    n_obs = sum(source.n_obs for source in sources)
    bytes_per_cell = BYTES_OF_A_COUNT * non_zeros_per_cell
    need, free = n_obs * bytes_per_cell, shutil.disk_usage(path.parent).free
    room = f"{n_obs:,} cells take up to {need / 1e9:.2f} GB on the disk, shuffled, in {str(path.parent)!r}"
    if need > free:
        msg = f"{room}, and {free / 1e9:.2f} GB are free; make room, or name another `folder`"
        raise OSError(msg)
    logger.info(room)
    first = np.cumsum([0, *(source.n_obs for source in sources)])

    def counts_alone(index: int) -> ad.AnnData:
        source = sources[index]
        obs = pd.DataFrame({"cell": np.arange(first[index], first[index + 1])})
        obs.index = obs["cell"].astype(str).rename(None)
        return ad.AnnData(source.counts, obs, pd.DataFrame(index=pd.Index(source.var_names)))

    block = min(CELLS_OF_A_BLOCK, n_obs)
    bar = partial(tqdm, disable=not progress_bar)
    with patch.object(annbatch.io, "tqdm", bar), quiet_zarr():
        DatasetCollection(path, mode="a").add_adatas(
            range(len(sources)),
            load_adata=counts_alone,
            dataset_size=max(block, int(SHUFFLED_IN_MEMORY / bytes_per_cell)),
            shuffle_chunk_size=block,
            rng=np.random.default_rng(0),
        )
    umis, deepest = _measure(sources, progress_bar=progress_bar)
    group = zarr.open_group(path, mode="a")
    group.create_array("gene_umis", data=umis)
    group.attrs["deepest"] = deepest


def _read(path: Path, fingerprint: str) -> Collection:
    group = zarr.open_group(path, mode="r")
    collection = DatasetCollection(group)
    return Collection(
        [_dataset(dataset["X"]) for dataset in collection],
        np.concatenate([dataset["obs/cell"][:] for dataset in collection]),
        group["gene_umis"][:],
        float(group.attrs["deepest"]),
        fingerprint,
    )


def _dataset(stored: Any) -> Any:
    return stored if isinstance(stored, zarr.Array) else ad.io.sparse_dataset(stored)


def _measure(sources: Sequence[Source], *, progress_bar: bool) -> tuple[NDArray[np.float64], float]:
    """Sum up each gene's UMIs, and find the deepest cell's."""
    umis, deepest = np.zeros(len(sources[0].var_names)), 0.0
    blocks = [(source, index) for source in sources for index in range(source.counts.numblocks[0])]
    for source, index in tqdm(blocks, desc="UMIs of each gene", disable=not progress_bar):
        block = source.block(index)
        umis += np.bincount(block.indices, weights=block.data, minlength=len(umis))
        deepest = max(deepest, float(total_umis(block).max()))
    return umis, deepest
