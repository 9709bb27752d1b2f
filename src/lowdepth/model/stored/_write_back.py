"""Embeddings into the files that the cells came from, whole or not at all."""

from __future__ import annotations

import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import zarr
from anndata import AnnData
from anndata.io import write_elem

from lowdepth._files import flush, is_zarr, remove

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lowdepth._keys import EmbeddingKeys

    from ._sources import Source

ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
"""How anndata marks a dense array."""

ROWS_OF_A_CHUNK = 8192


def check_slots(source: Source, keys: EmbeddingKeys) -> None:
    """Raise if an embedding that is not ours has the name already."""
    place = source.place
    if isinstance(place, AnnData):
        return  # as in memory, where the user sees what is written over
    if isinstance(place, zarr.Group) or is_zarr(place):
        group = place if isinstance(place, zarr.Group) else zarr.open_group(place, mode="r")
        there, ours = f"obsm/{keys.obsm}" in group, f"uns/{keys.uns}/history" in group
    else:
        with h5py.File(place, "r") as file:
            there, ours = f"obsm/{keys.obsm}" in file, f"uns/{keys.uns}/history" in file
    if there and not ours:
        msg = (
            f"{source.name} has obsm[{keys.obsm!r}] already, and no uns[{keys.uns!r}] says that "
            "`ld.tl.joint_embedding` wrote it; pass another `key_added`"
        )
        raise ValueError(msg)


@contextmanager
def embedding_of(source: Source, n_latent: int, keys: EmbeddingKeys, record: Mapping[str, Any]) -> Iterator[Any]:
    """Give an array to write the embedding of a source into; it takes its place, with its record, at the end.

    Until then the file is as it was, and it stays so if anything fails or the process is killed.

    Raises
    ------
    NotImplementedError
        It is a zarr store that is not a folder.
    OSError
        The disk has not the room.
    """
    place, shape = source.place, (source.n_obs, n_latent)
    if isinstance(place, AnnData):
        embedding = np.empty(shape, np.float32)
        yield embedding
        place.obsm[keys.obsm], place.uns[keys.uns] = embedding, dict(record)
    elif isinstance(place, zarr.Group) or is_zarr(place):
        group = place if isinstance(place, zarr.Group) else zarr.open_group(place)
        with _in_zarr(group, shape, keys, record) as embedding:
            yield embedding
    else:
        with _in_h5ad(place, shape, keys, record) as embedding:
            yield embedding


@contextmanager
def _in_zarr(
    group: zarr.Group, shape: tuple[int, int], keys: EmbeddingKeys, record: Mapping[str, Any]
) -> Iterator[zarr.Array]:
    if not isinstance(group.store, zarr.storage.LocalStore):
        msg = f"embeddings are written into folders, and {group.store} is none; pass a path on a disk"
        raise NotImplementedError(msg)
    store = Path(group.store.root)
    with _staged(store, keys, group.path.replace("/", ".")) as stage:
        staged = zarr.open_group(stage, mode="w", zarr_format=group.metadata.zarr_format)
        embedding = staged.create_array(
            "obsm",
            shape=shape,
            dtype="float32",
            chunks=(min(ROWS_OF_A_CHUNK, shape[0]), shape[1]),
            fill_value=np.nan,  # whatever is missing shall not look like an embedding
            attributes=ARRAY,
        )
        write_elem(staged, "uns", dict(record))
        yield embedding
        flush(stage)
        # the record first: an embedding without one would not be known as ours
        for slot, key in {"uns": keys.uns, "obsm": keys.obsm}.items():
            if slot not in group:
                write_elem(zarr.open_group(store / group.path, use_consolidated=False), slot, {})
            place = store / group.path / slot / key
            if place.exists():
                place.rename(stage / f"{slot}-before")
            (stage / slot).rename(place)
        with quiet_zarr():
            zarr.consolidate_metadata(group.store)


@contextmanager
def _in_h5ad(
    path: Path, shape: tuple[int, int], keys: EmbeddingKeys, record: Mapping[str, Any]
) -> Iterator[h5py.Dataset]:
    """Write into a copy: HDF5 cannot promise that a file survives a process that is killed as it writes."""
    size, free = path.stat().st_size + 4 * shape[0] * shape[1], shutil.disk_usage(path.parent).free
    if size > free:
        msg = f"a copy of {str(path)!r} takes {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free; make room"
        raise OSError(msg)
    with _staged(path, keys) as stage:
        shutil.copyfile(path, stage)
        with h5py.File(stage, "r+") as file:
            for slot, key in {"uns": keys.uns, "obsm": keys.obsm}.items():
                if slot not in file:
                    write_elem(file, slot, {})
                if key in file[slot]:
                    del file[slot][key]
            write_elem(file["uns"], keys.uns, dict(record))
            embedding = file["obsm"].create_dataset(keys.obsm, shape, np.float32)
            embedding.attrs.update(ARRAY)
            yield embedding
        flush(stage)
        shutil.copymode(path, stage)
        stage.replace(path)


@contextmanager
def _staged(path: Path, keys: EmbeddingKeys, part: str = "") -> Iterator[Path]:
    """Give a place beside a file to prepare what goes into it; one that a killed process left is removed."""
    stage = path.with_name(".".join(["", path.name, *filter(None, [part]), keys.uns, "partial"]))
    remove(stage)
    try:
        yield stage
    finally:
        remove(stage)


@contextmanager
def quiet_zarr() -> Iterator[None]:
    """Keep zarr from telling that the metadata it consolidates, as anndata does, is not part of its specification."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        yield
