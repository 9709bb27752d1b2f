"""The user's cells as a trained scvi-tools model sees them, without a trace in the user's AnnData."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from fast_array_utils.types import DaskArray
from scvi import REGISTRY_KEYS
from scvi.model.base import BaseModelClass
from scvi.module import VAE

from lowdepth._checks import check_no_empty_cells, get_counts, some
from lowdepth.model._nonzero_batches import sorted_csr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager


def check_model(model: Any) -> None:
    """Raise unless the model decodes as scVI does, has been trained and knows its data."""
    if not (isinstance(model, BaseModelClass) and isinstance(model.module, VAE)):
        msg = (
            f"`model` is a {type(model).__name__}; expected a model with scVI's decoder, "
            "e.g. ld.model.JointEmbedding, scvi.model.SCVI, SCANVI or LinearSCVI"
        )
        raise TypeError(msg)
    if not model.is_trained:
        msg = "`model` has not been trained; call `model.train()` first"
        raise ValueError(msg)
    if not all(values.isfinite().all() for values in model.module.state_dict().values()):
        msg = "`model` has weights that are not finite: its training diverged; train it again, with a smaller `lr`"
        raise ValueError(msg)
    if model.adata_manager is None:
        msg = "`model` has been loaded without data; load it with `adata=`"
        raise ValueError(msg)
    minified = getattr(model, "minified_data_type", None)
    if minified is not None:
        msg = f"`model` holds minified data ({minified!r}), which it embeds without counts; load it with the full data"
        raise NotImplementedError(msg)


def model_counts(adata: AnnData, model: BaseModelClass, layer: str | None) -> CSBase:
    """Get the counts, by default from the layer that the model was trained on."""
    trained_on = model.adata_manager.get_state_registry(REGISTRY_KEYS.X_KEY).column_names
    if not np.array_equal(adata.var_names, trained_on):
        msg = (
            f"adata has other genes ({adata.n_vars}) than `model` was trained on ({len(trained_on)}), or in another "
            "order; pass the cells with the same genes, `adata[:, model.get_var_names()]`"
        )
        raise ValueError(msg)
    counts = counts_in_memory(adata, layer or registered_layer(model))
    check_no_empty_cells(counts)
    return sorted_csr(sp.csr_matrix(counts))  # scvi-tools knows sparse matrices, not sparse arrays


def counts_in_memory(adata: AnnData, layer: str | None) -> CSBase | NDArray[np.number]:
    """Get raw counts that scvi-tools can embed."""
    counts = get_counts(adata, layer)
    if isinstance(counts, DaskArray):
        msg = "the counts are a dask array, which scvi-tools cannot embed; load them with `adata.to_memory()`"
        raise NotImplementedError(msg)
    return counts


def registered_layer(model: BaseModelClass) -> str | None:
    """Name the layer that the model was trained on; ``None`` is ``X``."""
    return model.adata_manager.data_registry[REGISTRY_KEYS.X_KEY].attr_key


@contextmanager
def registered(adata: AnnData, model: BaseModelClass, counts: CSBase) -> Iterator[AnnDataManager]:
    """Register the cells with the model for as long as they are needed.

    A stand-in is registered that shares the counts, since scvi-tools writes into what it registers.
    """
    _check_columns(adata, model)
    layer = registered_layer(model)
    layers = {} if layer is None else {layer: counts}
    stand_in = AnnData(None if layers else counts, adata.obs.copy(), adata.var[[]].copy(), layers=layers)
    with warnings.catch_warnings():
        # scvi-tools warns of batches that are too small to train on, and nothing is trained here
        warnings.filterwarnings("ignore", message="Category .* has fewer than 3 cells", category=UserWarning)
        manager = model.adata_manager.transfer_fields(stand_in)
    model._register_manager_for_instance(manager)
    try:
        yield manager
    finally:
        del model._per_instance_manager_store[model.id][manager.adata_uuid]


def _check_columns(adata: AnnData, model: BaseModelClass) -> None:
    """Raise unless ``obs`` has the model's columns, without gaps and, in categorical ones, without new categories."""
    for key, known in _columns(model):
        if key not in adata.obs:
            msg = f"adata.obs[{key!r}] is missing, a column that `model` was set up with; add it"
            raise KeyError(msg)
        values = adata.obs[key]
        if n_missing := int(values.isna().sum()):
            msg = f"adata.obs[{key!r}] is missing for {n_missing} cells: fill it in, or drop them"
            raise ValueError(msg)
        if known is None:
            continue
        new = values[~values.isin(known)].unique()
        if len(new):
            msg = (
                f"adata.obs[{key!r}] holds {new[0]!r}, and `model` knows {some(known)} only; "
                "`ld.tl.map_query` takes cells of new batches"
            )
            raise ValueError(msg)


def _columns(model: BaseModelClass) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """Give the columns of ``obs`` that the model reads, and the categories of categorical ones."""
    registries = model.adata_manager.registry["field_registries"].items()
    states = {name: registry["state_registry"] for name, registry in registries}
    for name in (REGISTRY_KEYS.BATCH_KEY, REGISTRY_KEYS.LABELS_KEY):
        state = states.get(name, {})
        if not state.get("original_key", "_scvi_").startswith("_scvi_"):
            yield state["original_key"], state["categorical_mapping"]
    yield from states.get(REGISTRY_KEYS.CAT_COVS_KEY, {}).get("mappings", {}).items()
    for key in states.get(REGISTRY_KEYS.CONT_COVS_KEY, {}).get("columns", ()):
        yield key, None
