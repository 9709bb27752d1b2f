"""A finished embedding beside the output, for a command that is started again."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from fast_array_utils import types

import lowdepth as ld
from lowdepth._cells_file import write_cells
from lowdepth._checks import obs_column, warn
from lowdepth._files import atomically, remove

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

MODEL, SLOTS, SETTINGS = "model", "slots.h5ad", "settings.json"


class Checkpoint:
    """The model, the slots that its training wrote, and the settings and cells that they came from.

    Parameters
    ----------
    out
        Output of the command; the checkpoint is a folder beside it.
    settings
        Parameters of the training; the checkpoint of others is not used.
    adata
        The cells, before the training.
    """

    def __init__(self, out: Path, settings: dict[str, Any], adata: AnnData) -> None:
        self.folder = out.with_name(f".{out.name}.embedding")
        self.settings = {
            **settings,
            "lowdepth": version("lowdepth"),
            "cells": _fingerprint(adata, settings["layer"], settings["batch_key"]),
        }
        self.before = {"obs": set(adata.obs), "obsm": set(adata.obsm), "uns": set(adata.uns)}

    def load(self, adata: AnnData) -> ld.model.JointEmbedding | None:
        """Write the slots into ``adata`` and give the model, or nothing where there is no such checkpoint."""
        if not (self.folder / SETTINGS).exists():
            return None
        try:
            if json.loads((self.folder / SETTINGS).read_text()) != self._settings_with(self.folder / SLOTS):
                return None
            slots = ad.read_h5ad(self.folder / SLOTS)
            model = ld.model.JointEmbedding.load(self.folder / MODEL, adata=adata)
        except (OSError, ValueError) as error:
            warn(f"the embedding in {str(self.folder)!r} cannot be taken up again, so it is trained anew: {error}")
            return None
        adata.obs[list(slots.obs)] = slots.obs
        adata.obsm.update(slots.obsm)
        adata.uns.update(slots.uns)
        return model

    def save(self, adata: AnnData, model: ld.model.JointEmbedding) -> None:
        """Keep what the training wrote; where that fails, the command goes on, as it would have without."""
        written = {slot: [name for name in getattr(adata, slot) if self._is_new(slot, name)] for slot in self.before}
        slots = ad.AnnData(
            obs=adata.obs[written["obs"]],
            obsm={name: adata.obsm[name] for name in written["obsm"]},
            uns={name: adata.uns[name] for name in written["uns"]},
        )
        try:
            remove(self.folder)
            with atomically(self.folder) as partial:
                model.save(partial / MODEL, save_anndata=False)
                write_cells(partial / SLOTS, slots)
                (partial / SETTINGS).write_text(json.dumps(self._settings_with(partial / SLOTS)))
        except OSError as error:
            warn(f"the embedding cannot be kept for a second attempt: {error}")

    def clear(self) -> None:
        """Remove the folder: the output holds all of it."""
        remove(self.folder)

    def _settings_with(self, slots: Path) -> dict[str, Any]:
        with slots.open("rb") as file:
            return self.settings | {"slots": hashlib.file_digest(file, "sha256").hexdigest()}

    def _is_new(self, slot: str, name: str) -> bool:
        # scvi-tools registers cells again when it loads a model
        return name not in self.before[slot] and not name.startswith("_scvi")


def _fingerprint(adata: AnnData, layer: str | None, batch_key: str | None) -> str:
    """Sum up counts, names and batches, which decide the embedding together with its settings."""
    counts = adata.X if layer is None else adata.layers[layer]
    parts = [counts.data, counts.indices, counts.indptr] if isinstance(counts, types.CSBase) else [counts]
    names = [
        adata.obs_names,
        adata.var_names,
        *([] if batch_key is None else [obs_column(adata, batch_key).astype(str)]),
    ]
    digest = hashlib.blake2b(repr(adata.shape).encode())
    for part in [*parts, *(pd.util.hash_array(np.asarray(name, dtype=object)) for name in names)]:
        digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()
