"""Cells in files, read by blocks."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import zarr
from anndata.experimental import read_lazy
from fast_array_utils.types import CSBase, DaskArray
from scipy.sparse import csr_matrix

from lowdepth._checks import get_counts
from lowdepth._csr import sorted_csr
from lowdepth._files import is_zarr
from lowdepth._genes import difference_of_genes
from lowdepth._umi_totals import total_umis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from annbatch import DatasetCollection
    from anndata import AnnData
    from numpy.typing import NDArray

type Place = Path | zarr.Group | AnnData
"""Where results of the cells are written."""

type Stored = Place | str | Sequence[Place | str] | DatasetCollection
"""What users may pass as cells that are not in memory."""

CELLS_OF_A_BLOCK = 1000
"""As many as anndata reads of a sparse matrix at a time."""


@dataclass(frozen=True)
class Source:
    """The cells of one file, or of one lazily read AnnData."""

    name: str
    counts: DaskArray
    """Blocks of whole cells, each checked when it is read and given as CSR, float32, columns sorted."""
    obs: pd.DataFrame
    """The columns that were asked for."""
    var_names: list[str]
    place: Place

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.counts.shape[0]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.counts.numblocks[0]

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """First cell of each block, and the number of cells."""
        return np.cumsum([0, *self.counts.chunks[0]])

    def block(self, index: int) -> csr_matrix:
        """Read a block of cells."""
        return self.counts.blocks[index].compute(scheduler="synchronous")


def open_sources(data: Stored, layer: str | None, columns: Sequence[str]) -> list[Source]:
    """Open all that a user passed as cells that are not in memory.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    KeyError
        A layer or a column of ``obs`` is missing in one of them.
    TypeError
        It is nothing that cells can be read from.
    ValueError
        A file holds no cells, or other genes than the first one.
    """
    sources = [_source(name, place, layer, columns) for name, place in _places(data)]
    if not sources:
        msg = "there are no cells: pass the path of an h5ad file or a zarr store, or several"
        raise ValueError(msg)
    for source in sources[1:]:
        _check_genes(sources[0], source)
    return sources


def _places(data: Stored) -> Iterator[tuple[str, Place]]:
    from annbatch import DatasetCollection  # noqa: PLC0415  optional

    if isinstance(data, DatasetCollection):
        for group in data:
            yield str(group.store_path), group
    elif isinstance(data, str | Path):
        yield str(data), Path(data)
    elif isinstance(data, ad.AnnData):
        yield "adata", data
    elif isinstance(data, list | tuple):
        for part in data:
            yield from _places(part)
    else:
        msg = (
            f"the cells are a {type(data).__name__}; pass an AnnData, the path of an h5ad file or a zarr store, "
            "a list of these, or an annbatch DatasetCollection"
        )
        raise TypeError(msg)


def _source(name: str, place: Place, layer: str | None, columns: Sequence[str]) -> Source:
    with _opened(name, place) as adata:
        if missing := [column for column in columns if column not in adata.obs.columns]:
            present = ", ".join(repr(column) for column in adata.obs.columns if column != "_index")
            msg = f"there is no column {missing[0]!r} in obs of {name} (present: {present or 'nothing'})"
            raise KeyError(msg)
        counts = _blocks(name, adata, layer)
        index = adata.var.index if isinstance(adata.var, pd.DataFrame) else adata.var.true_index
        return Source(name, counts, _columns(adata, columns), [str(gene) for gene in index], place)


def _columns(adata: AnnData, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of ``obs``, one by one: the names of the cells can take more memory than all of them."""
    read = {column: adata.obs[[column]] for column in columns}
    frames = {column: part if isinstance(part, pd.DataFrame) else part.to_memory() for column, part in read.items()}
    values = {column: frame[column].reset_index(drop=True) for column, frame in frames.items()}
    return pd.DataFrame(values, index=pd.RangeIndex(adata.n_obs))


@contextmanager
def _opened(name: str, place: Place) -> Iterator[AnnData]:
    """Read lazily; blocks of an h5ad file open it again when they are read, so it need not stay open."""
    if isinstance(place, ad.AnnData):
        yield place
    elif isinstance(place, zarr.Group):
        yield read_lazy(place, load_annotation_index=False)
    elif is_zarr(place):
        yield read_lazy(zarr.open_group(place, mode="r"), load_annotation_index=False)
    elif not place.exists():
        msg = f"there is no file {name!r}"
        raise FileNotFoundError(msg)
    elif not h5py.is_hdf5(place):
        msg = f"{name!r} is neither an h5ad file nor a zarr store"
        raise ValueError(msg)
    else:
        with h5py.File(place, "r") as file:
            yield read_lazy(file, load_annotation_index=False)


def _blocks(name: str, adata: AnnData, layer: str | None) -> DaskArray:
    """Give the counts as blocks of whole cells."""
    counts = get_counts(adata, layer)
    if not isinstance(counts, DaskArray):
        msg = f"the counts of {name} are in memory; pass a path, or what `anndata.experimental.read_lazy` reads"
        raise TypeError(msg)
    if counts.numblocks[1] > 1:
        if isinstance(counts._meta, CSBase):
            msg = f"the counts of {name} lie gene by gene (CSC), so that no cell can be read alone; write them as CSR"
            raise NotImplementedError(msg)
        counts = counts.rechunk((CELLS_OF_A_BLOCK, -1))
    return counts.map_blocks(_as_csr, name, dtype=np.float32, meta=csr_matrix((0, 0), dtype=np.float32))


def _as_csr(counts: Any, name: str) -> csr_matrix:
    if n_empty := int((total_umis(counts) == 0).sum()):
        msg = (
            f"at least {n_empty} cells of {name} hold no UMI; drop them with "
            "`ld.pp.filter_low_umi(adata, min_umi=1)` before the cells are written"
        )
        raise ValueError(msg)
    return sorted_csr(csr_matrix(counts, dtype=np.float32))


def _check_genes(first: Source, other: Source) -> None:
    if difference := difference_of_genes(other.var_names, first.var_names):
        msg = (
            f"{other.name} has not the genes of {first.name}: {difference}; write both with the same genes in one order"
        )
        raise ValueError(msg)
