"""Counts in a shuffled order on the disk, so that runs of them are a sample of all cells."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import zarr
from annbatch import DatasetCollection
from filelock import FileLock
from tqdm.auto import tqdm

from lowdepth._files import flush, remove
from lowdepth._umi_totals import total_umis

from ._shuffle import BYTES_OF_A_COUNT, shuffle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ._sources import Source

logger = logging.getLogger("lowdepth")

BLOCKS_TO_RECOGNISE = 32
"""Read of each source to tell whether its cells were shuffled before."""


@dataclass(frozen=True)
class Collection:
    """Counts on the disk in the order of training."""

    datasets: list[Any]
    """CSR datasets of zarr, or dense zarr arrays, as annbatch's loader takes them."""
    cells: NDArray[np.int64]
    """Position of each cell in the order of the user."""
    gene_umis: NDArray[np.float64]
    """UMIs of each gene over all cells."""
    total_umi: NDArray[np.float64]
    """UMIs of each cell, in the order of the user."""
    fingerprint: str
    """Digest of what is in it."""


def shuffled(sources: Sequence[Source], folder: Path, *, progress_bar: bool) -> Collection:
    """Shuffle the cells of all sources once; what was shuffled before is recognised and used again.

    The collection has the sources' fingerprint as its name, and has it only when it is complete. A process that was
    killed or interrupted leaves a part, with which the next one goes on; processes that want the same one wait for
    each other. An error leaves nothing.

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
        bytes_of_all = BYTES_OF_A_COUNT * non_zeros_per_cell * sum(source.n_obs for source in sources)
        with FileLock(lock):  # also while the remains of a failure are removed: who waits for it may write at once
            try:
                if not path.exists():
                    _check_room(sources, folder, part, bytes_of_all)
                    shuffle(sources, part, bytes_of_all, progress_bar=progress_bar)
                    flush(part)
                    part.rename(path)
            except Exception:
                remove(folder if made else part)
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
        for index in np.unique(np.linspace(0, source.n_blocks - 1, BLOCKS_TO_RECOGNISE).astype(int)):
            block = source.block(index)
            for part in (block.data, block.indices, block.indptr):
                digest.update(np.ascontiguousarray(part))
            n_cells, n_nonzero = n_cells + block.shape[0], n_nonzero + block.nnz
    return digest.hexdigest(), n_nonzero / n_cells


def _check_room(sources: Sequence[Source], folder: Path, part: Path, bytes_of_all: float) -> None:
    """Tell how much room the shuffled cells take, and raise if it is not there."""
    n_obs = sum(source.n_obs for source in sources)
    done = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free + done
    room = f"{n_obs:,} cells take up to {bytes_of_all / 1e9:.2f} GB on the disk, shuffled, in {str(folder)!r}"
    if bytes_of_all > free:
        msg = f"{room}, and {free / 1e9:.2f} GB are free; make room, or name another `folder`"
        raise OSError(msg)
    logger.info(room)


def _read(path: Path, fingerprint: str) -> Collection:
    collection = list(DatasetCollection(zarr.open_group(path, mode="r")))
    cells = np.concatenate([dataset["obs/cell"][:] for dataset in collection])
    total_umi = np.empty(len(cells))
    total_umi[cells] = np.concatenate([dataset["obs/total_umi"][:] for dataset in collection])
    gene_umis = np.sum([dataset["var/umis"][:] for dataset in collection], axis=0)
    return Collection([_dataset(dataset["X"]) for dataset in collection], cells, gene_umis, total_umi, fingerprint)


def _dataset(stored: Any) -> Any:
    return stored if isinstance(stored, zarr.Array) else ad.io.sparse_dataset(stored)


def _measure(sources: Sequence[Source], *, progress_bar: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum up each gene's UMIs and each cell's."""
    of_genes, of_cells = np.zeros(len(sources[0].var_names)), []
    blocks = [(source, index) for source in sources for index in range(source.n_blocks)]
    for source, index in tqdm(blocks, desc="UMIs of each gene", disable=not progress_bar):
        block = source.block(index)
        of_genes += np.bincount(block.indices, weights=block.data, minlength=len(of_genes))
        of_cells.append(total_umis(block))
    return of_genes, np.concatenate(of_cells)
