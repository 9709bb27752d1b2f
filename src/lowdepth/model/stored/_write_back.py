"""Embeddings into the files that the cells came from, whole or not at all."""

from __future__ import annotations

import shutil
import warnings
from abc import ABC, abstractmethod
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
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from ._sources import Source

ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
"""How anndata marks a dense array."""

ROWS_OF_A_CHUNK = 8192


def check_slots(source: Source, obsm: str, record: str) -> None:
    """Raise if an embedding has the name already that is not ours, by its record in ``uns``."""
    place = source.place
    if isinstance(place, AnnData):
        return  # as in memory, where the user sees what is written over
    if isinstance(place, zarr.Group) or is_zarr(place):
        group = place if isinstance(place, zarr.Group) else zarr.open_group(place, mode="r")
        there, ours = f"obsm/{obsm}" in group, f"uns/{record}" in group
    else:
        with h5py.File(place, "r") as file:
            there, ours = f"obsm/{obsm}" in file, f"uns/{record}" in file
    if there and not ours:
        msg = (
            f"{source.name} has obsm[{obsm!r}] already, and no uns[{record.split('/', maxsplit=1)[0]!r}] says that "
            "`ld.tl.joint_embedding` wrote it; pass another `key_added`"
        )
        raise ValueError(msg)


class Results(ABC):
    """What cells are to get: embeddings, columns of ``obs`` and records."""

    @abstractmethod
    def embedding(self, key: str, n_latent: int) -> Any:
        """Give an array, cells by dimensions, to write into."""

    @abstractmethod
    def column(self, key: str) -> Any:
        """Give an array of all cells to write into."""

    @abstractmethod
    def record(self, key: str, record: Mapping[str, Any]) -> None:
        """Take an entry of ``uns``."""


@contextmanager
def results_of(source: Source, name: str) -> Iterator[Results]:
    """Collect what the cells of a source are to get; all of it takes its place at the end.

    Until then the file is as it was, and it stays so if anything fails or the process is killed.

    Raises
    ------
    NotImplementedError
        It is a zarr store that is not a folder.
    OSError
        The disk has not the room.
    """
    place = source.place
    if isinstance(place, AnnData):
        results = _InMemory(source.n_obs)
        yield results
        results.put(place)
    elif isinstance(place, zarr.Group) or is_zarr(place):
        group = place if isinstance(place, zarr.Group) else zarr.open_group(place)
        if not isinstance(group.store, zarr.storage.LocalStore):
            msg = f"embeddings are written into folders, and {group.store} is none; pass a path on a disk"
            raise NotImplementedError(msg)
        with _staged(Path(group.store.root), name, group.path.replace("/", ".")) as stage:
            in_zarr = _InZarr(stage, group, source.n_obs)
            yield in_zarr
            in_zarr.put()
    else:
        with _staged(place, name) as stage:
            _copy(place, stage)
            with h5py.File(stage, "r+") as file:
                yield _InHDF5(file, source.n_obs)
            flush(stage)
            shutil.copymode(place, stage)
            stage.replace(place)


class _InMemory(Results):
    def __init__(self, n_obs: int) -> None:
        self._n_obs = n_obs
        self._slots: dict[str, dict[str, Any]] = {"obs": {}, "obsm": {}, "uns": {}}

    def embedding(self, key: str, n_latent: int) -> NDArray[np.float32]:
        return self._slots["obsm"].setdefault(key, np.empty((self._n_obs, n_latent), np.float32))

    def column(self, key: str) -> NDArray[np.float64]:
        return self._slots["obs"].setdefault(key, np.empty(self._n_obs))

    def record(self, key: str, record: Mapping[str, Any]) -> None:
        self._slots["uns"][key] = dict(record)

    def put(self, adata: AnnData) -> None:
        for slot, values in self._slots.items():
            for key, value in values.items():
                getattr(adata, slot)[key] = value


class _InZarr(Results):
    """Arrays in a store of their own, whose folders are moved into that of the cells."""

    def __init__(self, stage: Path, group: zarr.Group, n_obs: int) -> None:
        self._n_obs, self._stage, self._group = n_obs, stage, group
        self._staged = zarr.open_group(stage, mode="w", zarr_format=group.metadata.zarr_format)
        # the records first: an embedding without one would not be known as ours
        self._slots = {slot: self._staged.create_group(slot) for slot in ("uns", "obsm", "obs")}

    def embedding(self, key: str, n_latent: int) -> zarr.Array:
        return self._array("obsm", key, (self._n_obs, n_latent), "float32")

    def column(self, key: str) -> zarr.Array:
        return self._array("obs", key, (self._n_obs,), "float64")

    def _array(self, slot: str, key: str, shape: tuple[int, ...], dtype: str) -> zarr.Array:
        return self._slots[slot].create_array(
            key,
            shape=shape,
            dtype=dtype,
            chunks=(min(ROWS_OF_A_CHUNK, shape[0]), *shape[1:]),
            fill_value=np.nan,  # whatever is missing shall not look like a result
            attributes=ARRAY,
        )

    def record(self, key: str, record: Mapping[str, Any]) -> None:
        write_elem(self._slots["uns"], key, dict(record))

    def put(self) -> None:
        flush(self._stage)
        store = Path(self._group.store.root) / self._group.path
        columns = list(self._slots["obs"])
        for slot, staged in self._slots.items():
            if slot not in self._group:
                write_elem(zarr.open_group(store, use_consolidated=False), slot, {})
            for key in list(staged):
                place = store / slot / key
                if place.exists():
                    place.rename(self._stage / f"{slot}-{key}-before")
                (self._stage / slot / key).rename(place)
        _add_columns(zarr.open_group(store / "obs", use_consolidated=False), columns)
        with quiet_zarr():
            zarr.consolidate_metadata(self._group.store)


class _InHDF5(Results):
    """A copy of the file: HDF5 cannot promise that one survives a process that is killed as it writes."""

    def __init__(self, file: h5py.File, n_obs: int) -> None:
        self._file, self._n_obs = file, n_obs

    def embedding(self, key: str, n_latent: int) -> h5py.Dataset:
        return self._array("obsm", key, (self._n_obs, n_latent), np.float32)

    def column(self, key: str) -> h5py.Dataset:
        _add_columns(self._file["obs"], [key])
        return self._array("obs", key, (self._n_obs,), np.float64)

    def _array(self, slot: str, key: str, shape: tuple[int, ...], dtype: type) -> h5py.Dataset:
        array = self._emptied(slot, key).create_dataset(key, shape, dtype)
        array.attrs.update(ARRAY)
        return array

    def record(self, key: str, record: Mapping[str, Any]) -> None:
        write_elem(self._emptied("uns", key), key, dict(record))

    def _emptied(self, slot: str, key: str) -> h5py.Group:
        if slot not in self._file:
            write_elem(self._file, slot, {})
        if key in self._file[slot]:
            del self._file[slot][key]
        return self._file[slot]


def _add_columns(obs: zarr.Group | h5py.Group, keys: Iterable[str]) -> None:
    """Name the columns in the list that anndata reads."""
    there = list(obs.attrs["column-order"])
    if new := [key for key in keys if key not in there]:
        obs.attrs["column-order"] = [*there, *new]


def _copy(path: Path, stage: Path) -> None:
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if size > free:
        msg = f"a copy of {str(path)!r} takes {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free; make room"
        raise OSError(msg)
    shutil.copyfile(path, stage)


@contextmanager
def _staged(path: Path, name: str, part: str = "") -> Iterator[Path]:
    """Give a place beside a file to prepare what goes into it; one that a killed process left is removed."""
    stage = path.with_name(".".join(["", path.name, *filter(None, [part]), name, "partial"]))
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
