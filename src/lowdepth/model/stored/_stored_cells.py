"""Cells that stay on the disk."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scvi.data import AnnDataManager

    from ._collection import Collection
    from ._registration import Covariates
    from ._sources import Source, Stored
    from ._stream import StreamedCells

NEEDED = ("annbatch", "filelock", "xarray", "zarr")
"""What ``lowdepth[scale]`` installs, by the name to import."""


class StoredCells:
    """Cells that stay on the disk, for :class:`lowdepth.model.JointEmbedding` to train on and to embed.

    Before a model is trained, the counts are shuffled once into a collection of sharded zarr arrays (annbatch),
    from which minibatches stream. The files themselves stay as they are.

    Parameters
    ----------
    data
        Path of an h5ad file or a zarr store, an AnnData from :func:`anndata.experimental.read_lazy`, a list of these,
        whose genes are the same, or an annbatch ``DatasetCollection``, which is taken in its own order.
    layer
        Layer that holds the raw counts; ``None`` reads ``X``.
    batch_key
        Column of ``obs`` whose effect the embedding should not show.
    categorical_covariate_keys, continuous_covariate_keys
        Further ones, as :meth:`scvi.model.SCVI.setup_anndata` takes them.
    folder
        Where the shuffled counts go; by default beside the first file, under its name with ``.lowdepth`` added.
        They are recognised and used again; delete the folder when you need them no more.
    progress_bar
        Show the progress of the shuffling.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ImportError
        A package is missing: ``pip install "lowdepth[scale]"``.
    KeyError
        There is no such layer or column.
    TypeError
        It is nothing that cells can be read from.
    ValueError
        A file has no cells, other genes than the first, or cells without a batch.

    Examples
    --------
    >>> import tempfile
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     adata.write_h5ad(f"{folder}/atlas.h5ad")
    ...     cells = ld.model.StoredCells(f"{folder}/atlas.h5ad", batch_key="batch", progress_bar=False)
    ...     model = ld.model.JointEmbedding(cells, n_latent=8)
    ...     model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    ...     embedding = model.get_latent_representation()
    >>> embedding.shape
    (200, 8)
    """

    def __init__(
        self,
        data: Stored,
        *,
        layer: str | None = None,
        batch_key: str | None = None,
        categorical_covariate_keys: Sequence[str] | None = None,
        continuous_covariate_keys: Sequence[str] | None = None,
        folder: Path | str | None = None,
        progress_bar: bool = True,
    ) -> None:
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            msg = f'cells that are not in memory need {missing[0]}: pip install "lowdepth[scale]"'
            raise ImportError(msg)
        from ._registration import registry_of  # noqa: PLC0415  these need what was just looked for
        from ._sources import open_sources  # noqa: PLC0415

        covariates = [list(keys or []) for keys in (categorical_covariate_keys, continuous_covariate_keys)]
        columns = [key for key in [batch_key, *covariates[0], *covariates[1]] if key is not None]
        self.sources: list[Source] = open_sources(data, layer, columns)
        self.obs = pd.concat([source.obs for source in self.sources], ignore_index=True)
        if len(self.obs) < 2:
            msg = f"there is {len(self.obs)} cell: an embedding is learnt from many"
            raise ValueError(msg)
        for key in columns:
            if n_missing := int(self.obs[key].isna().sum()):
                msg = f"obs[{key!r}] is missing for {n_missing} cells: give them a value, or drop them"
                raise ValueError(msg)
        self.data, self.layer, self.progress_bar = data, layer, progress_bar
        self.setup = {
            "layer": layer,
            "batch_key": batch_key,
            "categorical_covariate_keys": covariates[0] or None,
            "continuous_covariate_keys": covariates[1] or None,
        }
        self._folder = None if folder is None else Path(folder)
        self.registry = registry_of(self.obs, self.var_names, self.setup)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.obs)

    @property
    def var_names(self) -> list[str]:
        """Names of the genes."""
        return self.sources[0].var_names

    @property
    def folder(self) -> Path:
        """Where the shuffled counts are."""
        place = self.sources[0].place
        if self._folder is not None:
            return self._folder
        if isinstance(place, Path):
            return place.with_name(f"{place.name}.lowdepth")
        if (file := getattr(getattr(place, "file", None), "filename", None)) is not None:
            return Path(f"{file}.lowdepth")
        if (root := getattr(getattr(place, "store", None), "root", None)) is not None:
            return Path(f"{root}.lowdepth")
        msg = (
            "the counts are a dask array, and no file is known beside which they could be shuffled: "
            "name a `folder` for that, or load them with `adata.to_memory()`"
        )
        raise NotImplementedError(msg)

    @cached_property
    def collection(self) -> Collection:
        """The counts in the order of training; made when it is asked for."""
        from annbatch import DatasetCollection  # noqa: PLC0415

        from ._collection import as_it_is, shuffled  # noqa: PLC0415

        if isinstance(self.data, DatasetCollection):
            return as_it_is(self.data, self.sources, self.layer, progress_bar=self.progress_bar)
        return shuffled(self.sources, self.folder, progress_bar=self.progress_bar)

    def encoded(self, registry: Mapping[str, Any]) -> Covariates:
        """Give batches and covariates as a model knows them."""
        from ._registration import Covariates  # noqa: PLC0415

        for argument, wanted in registry["setup_args"].items():
            for key in [wanted] if isinstance(wanted, str) else wanted or []:
                if argument in self.setup and argument != "layer" and key not in self.obs:
                    msg = f"the model was trained with {argument}={wanted!r}; pass the same to StoredCells"
                    raise ValueError(msg)
        return Covariates(self.obs, registry)

    def manager(self, registry: Mapping[str, Any]) -> AnnDataManager:
        """Give what registers other cells with a model of these."""
        from ._registration import manager_of  # noqa: PLC0415

        return manager_of(registry)

    def stream(self, registry: Mapping[str, Any], *, batch_size: int, train_size: float) -> StreamedCells:
        """Give the cells in minibatches, for Lightning's trainer."""
        from ._stream import StreamedCells  # noqa: PLC0415

        seed = 0 if scvi.settings.seed is None else scvi.settings.seed
        return StreamedCells(
            self.collection, self.encoded(registry), batch_size=batch_size, train_size=train_size, seed=seed
        )

    def blocks(self, covariates: Covariates, source: int | None = None) -> Iterator[dict[str, Any]]:
        """Give the cells in their own order, block by block, with their covariates; of one source, or of all."""
        firsts = np.cumsum([0, *(each.n_obs for each in self.sources)])
        for i in range(len(self.sources)) if source is None else [source]:
            first = firsts[i]
            for index in range(self.sources[i].n_blocks):
                counts = self.sources[i].block(index)
                yield covariates.minibatch(counts, slice(first, first + counts.shape[0]))
                first += counts.shape[0]
