"""What scvi-tools has to know of cells that are not in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from scvi import REGISTRY_KEYS
from scvi.external import JointEmbeddingSCVI

from lowdepth._checks import numbers
from lowdepth._csr import sorted_csr
from lowdepth.model._stand_in import cells_of, quiet_small_batches
from lowdepth.model.engine import take_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager

CELLS_OF_A_KIND = 3
"""Shown to scvi-tools of each combination of categories: it warns where a category has fewer cells than these."""


def registry_of(obs: pd.DataFrame, gene_names: Sequence[str], setup: Mapping[str, Any]) -> dict[str, Any]:
    """Let scvi-tools register some cells of each kind, without counts, and give what it would know of all."""
    keys = [key for key in [setup["batch_key"], *(setup["categorical_covariate_keys"] or [])] if key is not None]
    kinds = obs.groupby(keys, observed=True, sort=False) if keys else obs
    shown = kinds.head(CELLS_OF_A_KIND)
    shown.index = shown.index.astype(str)
    counts = csr_matrix((len(shown), len(gene_names)), dtype=np.float32)
    cells = cells_of(counts, shown, pd.DataFrame(index=pd.Index(gene_names)), setup["layer"])
    JointEmbeddingSCVI.setup_anndata(cells, **setup)
    registry = JointEmbeddingSCVI._get_most_recent_anndata_manager(cells, required=True).registry
    counts_field = registry["field_registries"][REGISTRY_KEYS.X_KEY]
    counts_field["state_registry"]["n_obs"] = counts_field["summary_stats"]["n_cells"] = len(obs)
    return {**registry, "model_name": "JointEmbedding"}


def manager_of(registry: Mapping[str, Any]) -> AnnDataManager:
    """Give what scvi-tools asks when it registers other cells with a model: one made-up cell with no counts."""
    setup, fields = registry["setup_args"], registry["field_registries"]
    names = fields[REGISTRY_KEYS.X_KEY]["state_registry"]["column_names"]
    obs = {}
    if setup["batch_key"] is not None:
        obs[setup["batch_key"]] = fields[REGISTRY_KEYS.BATCH_KEY]["state_registry"]["categorical_mapping"][:1]
    for key in setup["categorical_covariate_keys"] or []:
        obs[key] = fields[REGISTRY_KEYS.CAT_COVS_KEY]["state_registry"]["mappings"][key][:1]
    for key in setup["continuous_covariate_keys"] or []:
        obs[key] = np.zeros(1)
    counts = csr_matrix((1, len(names)), dtype=np.float32)
    of_cell, genes = pd.DataFrame(obs, index=["0"]), pd.DataFrame(index=pd.Index(names))
    cell = cells_of(counts, of_cell, genes, setup["layer"])
    with quiet_small_batches():
        JointEmbeddingSCVI.setup_anndata(cell, source_registry=registry, **setup)
    return JointEmbeddingSCVI._get_most_recent_anndata_manager(cell, required=True)


class Covariates:
    """Batch and covariates of all cells, encoded as a registry says.

    Parameters
    ----------
    obs
        Columns of the cells.
    registry
        How a model's cells were registered.
    """

    def __init__(self, obs: pd.DataFrame, registry: Mapping[str, Any]) -> None:
        setup, fields = registry["setup_args"], registry["field_registries"]
        batches = fields[REGISTRY_KEYS.BATCH_KEY]["state_registry"]["categorical_mapping"]
        batch_key = setup["batch_key"]
        batch = np.zeros(len(obs), np.int64) if batch_key is None else _codes(obs[batch_key], batches)
        self.tensors = {REGISTRY_KEYS.BATCH_KEY: batch[:, np.newaxis]}
        self.tensors[REGISTRY_KEYS.LABELS_KEY] = np.zeros((len(obs), 1), np.int64)
        if keys := setup["continuous_covariate_keys"]:
            columns = [numbers(obs[key], f"obs[{key!r}]").astype(np.float32) for key in keys]
            self.tensors[REGISTRY_KEYS.CONT_COVS_KEY] = np.stack(columns, axis=1)
        if keys := setup["categorical_covariate_keys"]:
            mappings = fields[REGISTRY_KEYS.CAT_COVS_KEY]["state_registry"]["mappings"]
            codes = [_codes(obs[key], mappings[key]) for key in keys]
            self.tensors[REGISTRY_KEYS.CAT_COVS_KEY] = np.stack(codes, axis=1)

    def minibatch(self, counts: CSBase, cells: NDArray[np.int64] | slice) -> dict[str, Any]:
        """Give the cells at these positions as the module takes them."""
        covariates = {key: torch.from_numpy(values[cells]) for key, values in self.tensors.items()}
        return {REGISTRY_KEYS.X_KEY: take_rows(sorted_csr(counts), np.arange(counts.shape[0])), **covariates}


def _codes(column: pd.Series[Any], categories: NDArray[Any]) -> NDArray[np.int64]:
    codes = pd.Index(categories).get_indexer(column).astype(np.int64)
    if (codes < 0).any():
        unknown = column[codes < 0].iloc[0]
        msg = f"obs[{column.name!r}] holds {unknown!r}, which the model does not know; it knows {list(categories)[:10]}"
        raise ValueError(msg)
    return codes
