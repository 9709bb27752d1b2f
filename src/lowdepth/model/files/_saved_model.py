"""What is kept of a model, whatever its files are like."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from anndata import AnnData
    from scvi.external import JointEmbeddingSCVI

INDICES = ("train_indices_", "test_indices_", "validation_indices_")
"""Which cells a training used, by their position."""

ATTRIBUTES = (*INDICES, "run_name_", "run_id_")
"""What scvi-tools keeps of a training beside its history."""

CELLS = "lowdepth_cells"
"""Entry of the registry by which the cells whose positions are kept are known again."""


def digest_of(cells: Iterable[str]) -> str:
    """Give a digest of the names of cells and of their order."""
    return sha256("\0".join(map(str, cells)).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class SavedModel:
    """The parts of a model that are saved."""

    class_name: str
    preset: str
    settings: Mapping[str, Any]
    """Arguments of the model, the preset's among them: presets may change, a saved model may not."""
    registry: dict[str, Any]
    """How the cells were registered with scvi-tools."""
    gene_names: list[str]
    trained: bool
    history: Any
    attributes: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]
    adata: AnnData | None = None

    @classmethod
    def of(cls, model: JointEmbeddingSCVI, *, with_adata: bool) -> SavedModel:
        """Take the parts of a model."""
        init = model.init_params_
        cells = {} if model.adata is None else {CELLS: digest_of(model.adata.obs_names)}
        return cls(
            class_name=type(model).__name__,
            preset=str(init["non_kwargs"]["preset"]),
            settings=init["kwargs"]["model_kwargs"],
            registry={**model.registry_, **cells},
            gene_names=[str(name) for name in model.get_var_names()],
            trained=model.is_trained_,
            history=model.history_,
            attributes={name: getattr(model, name) for name in ATTRIBUTES},
            weights=model.module.state_dict(),
            adata=model.adata if with_adata else None,
        )
