"""A stand-in of the user's cells that a model can register, since scvi-tools writes into what it registers."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anndata import AnnData
from scvi import REGISTRY_KEYS

from lowdepth._checks import some

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from scvi.model.base import BaseModelClass


def registered_layer(model: BaseModelClass) -> str | None:
    """Name the layer that the model was trained on; ``None`` is ``X``."""
    layer: str | None = model.registry["field_registries"][REGISTRY_KEYS.X_KEY]["data_registry"]["attr_key"]
    return layer


def cells_of(counts: CSBase, obs: pd.DataFrame, var: pd.DataFrame, layer: str | None) -> AnnData:
    """Make an AnnData whose counts are in a layer, or in ``X``."""
    return AnnData(counts, obs, var) if layer is None else AnnData(None, obs, var, layers={layer: counts})


@contextmanager
def quiet_small_batches() -> Iterator[None]:
    """Keep scvi-tools from telling that batches are too small to train on: nothing is trained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Category .* has fewer than 3 cells", category=UserWarning)
        yield


@contextmanager
def registered(obs: pd.DataFrame, var: pd.DataFrame, model: BaseModelClass, counts: CSBase) -> Iterator[AnnDataManager]:
    """Register cells with the model for as long as they are needed; the counts are shared, not copied."""
    _check_columns(obs, model)
    stand_in = cells_of(counts, obs.copy(), var[[]].copy(), registered_layer(model))
    with quiet_small_batches():
        manager = model.adata_manager.transfer_fields(stand_in)
    model._register_manager_for_instance(manager)
    try:
        yield manager
    finally:
        del model._per_instance_manager_store[model.id][manager.adata_uuid]


def _check_columns(obs: pd.DataFrame, model: BaseModelClass) -> None:
    """Raise unless ``obs`` has the model's columns, without gaps and, in categorical ones, without new categories."""
    for key, known in _columns(model):
        if key not in obs:
            msg = f"adata.obs[{key!r}] is missing, a column that `model` was set up with; add it"
            raise KeyError(msg)
        values = obs[key]
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
