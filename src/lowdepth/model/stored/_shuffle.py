"""Cells are drawn from all over the sources and written in pieces that fit memory, each whole or not at all."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from annbatch import write_sharded
from annbatch.io import V1_ENCODING
from tqdm.auto import tqdm

from lowdepth._files import flush, is_zarr, remove
from lowdepth._umi_totals import total_umis

from ._write_back import quiet_zarr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ._sources import Source

BYTES_OF_A_PIECE = 256 * 2**20
"""Non-zeros of the cells that are in memory and are shuffled together, unless one block holds more."""

BYTES_OF_A_COUNT = 8
"""Value and gene of a non-zero, before they are compressed."""

CELLS_OF_A_CHUNK = 64
"""Compressed together: a run of 256 cells is four of these."""


def shuffle(sources: Sequence[Source], path: Path, bytes_of_all: float, *, progress_bar: bool) -> None:
    """Write the cells of all sources in a random order; what a killed process has completed is kept.

    Blocks of cells that lie side by side are dealt at random into pieces, in which the cells are permuted. Twice a
    piece is in memory at a time, and a block.

    Parameters
    ----------
    sources
        The cells.
    path
        Collection to make: zarr groups ``dataset_0``, ``dataset_1``, ..., as annbatch has them.
    bytes_of_all
        Of their non-zeros, about.
    progress_bar
        Show how many cells are done.
    """
    blocks = np.array([(i, index) for i, source in enumerate(sources) for index in range(source.n_blocks)])
    n_pieces = min(ceil(bytes_of_all / BYTES_OF_A_PIECE), len(blocks))
    plan = {"n_pieces": n_pieces, "n_blocks": len(blocks)}
    if not is_zarr(path) or zarr.open_group(path, mode="r").attrs.asdict() != plan:
        remove(path)
        zarr.open_group(path, mode="w", attributes=plan)
    pieces = np.array_split(np.random.default_rng(0).permutation(blocks), n_pieces)
    with tqdm(
        total=sum(source.n_obs for source in sources), desc="shuffling", unit="cell", disable=not progress_bar
    ) as bar:
        for number, piece in enumerate(pieces):
            if not (path / f"dataset_{number}").exists():
                _write(path, number, *_permuted(sources, piece, np.random.default_rng([0, number])))
            bar.update(sum(int(sources[i].counts.chunks[0][index]) for i, index in piece))
    zarr.open_group(path, mode="a").attrs.put(V1_ENCODING)


def _permuted(
    sources: Sequence[Source], piece: NDArray[np.int64], generator: np.random.Generator
) -> tuple[sp.csr_matrix, NDArray[np.int64], list[str]]:
    first = np.cumsum([0, *(source.n_obs for source in sources)])
    cells = np.concatenate([first[i] + np.arange(*sources[i].edges[index : index + 2]) for i, index in piece])
    counts = sp.vstack([sources[i].block(index) for i, index in piece], format="csr")
    order = generator.permutation(len(cells))
    return counts[order], cells[order], sources[0].var_names


def _write(path: Path, number: int, counts: sp.csr_matrix, cells: NDArray[np.int64], var_names: list[str]) -> None:
    obs = pd.DataFrame({"cell": cells, "total_umi": total_umis(counts)}, index=cells.astype(str))
    umis = np.bincount(counts.indices, weights=counts.data, minlength=len(var_names))
    adata = ad.AnnData(counts, obs, pd.DataFrame({"umis": umis}, index=pd.Index(var_names)))
    part = path / f"part_{number}"
    remove(part)
    with quiet_zarr():
        write_sharded(
            zarr.open_group(part, mode="w"),
            adata,
            n_obs_per_chunk=min(CELLS_OF_A_CHUNK, len(cells)),
            shard_size=len(cells),
        )
    del adata.X  # it points to itself in a circle, which would keep the counts alive for long
    flush(part)
    part.rename(path / f"dataset_{number}")
