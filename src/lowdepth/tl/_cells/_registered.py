"""The checks of a trained model and of the counts that it is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fast_array_utils.types import DaskArray
from scvi import REGISTRY_KEYS
from scvi.model.base import BaseModelClass
from scvi.module import VAE

from lowdepth._blocked_counts import BlockedCounts
from lowdepth._checks import check_no_empty_cells, get_counts
from lowdepth._csr import csr_matrix
from lowdepth._genes import difference_of_genes
from lowdepth._umi_totals import total_umis
from lowdepth.model._stand_in import registered_layer

if TYPE_CHECKING:
    from anndata import AnnData
    from fast_array_utils.types import CSBase


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


def model_counts(adata: AnnData, model: BaseModelClass, layer: str | None) -> CSBase | BlockedCounts:
    """Get the counts, by default from the layer that the model was trained on; those of a dask array stay there."""
    trained_on = model.adata_manager.get_state_registry(REGISTRY_KEYS.X_KEY).column_names
    if difference := difference_of_genes(adata.var_names, trained_on):
        msg = (
            f"adata has not the genes that `model` was trained on: {difference}; pass the cells with the same genes, "
            "`adata[:, model.get_var_names()]`, or map them with `ld.tl.map_query`"
        )
        raise ValueError(msg)
    counts = get_counts(adata, layer or registered_layer(model))
    if isinstance(counts, DaskArray):
        blocked = BlockedCounts.of(counts)
        check_no_empty_cells(blocked.total_umi)
        return blocked
    check_no_empty_cells(total_umis(counts))
    return csr_matrix(counts)
