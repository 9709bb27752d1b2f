"""The files of scvi-tools' own models, which are pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import torch

from lowdepth.model._presets import resolve_preset

from ._saved_model import ATTRIBUTES, SavedModel

if TYPE_CHECKING:
    from pathlib import Path

PRESET_OF = {"SCVI": "scvi", "JointEmbeddingSCVI": "paper"}
"""The preset in which a class of scvi-tools is ours."""


def pickle_path(folder: Path, prefix: str) -> Path:
    """Give the place of the pickle."""
    return folder / f"{prefix}model.pt"


def read_trusted(folder: Path, prefix: str, class_name: str, *, with_adata: bool) -> SavedModel:
    """Read a model that scvi-tools saved, for a class of ours; code in the file is run.

    Raises
    ------
    ValueError
        It is a model of another class.
    """
    path = pickle_path(folder, prefix)
    content = torch.load(path, map_location="cpu", weights_only=False)
    attributes, weights = content["attr_dict"], content["model_state_dict"]
    registry, init = attributes["registry_"], attributes["init_params_"]
    theirs = registry["model_name"]
    settings: dict[str, Any] = dict(init["non_kwargs"])
    for variable in init["kwargs"].values():
        settings |= variable
    preset = settings.pop("preset", None) if theirs == class_name else PRESET_OF.get(theirs)
    if preset is None:
        msg = f"{str(path)!r} is a {theirs}, expected one of {[class_name, *PRESET_OF]}; load it with its own class"
        raise ValueError(msg)
    weights.pop("pyro_param_store", None)
    cells = folder / f"{prefix}adata.h5ad"
    return SavedModel(
        class_name=class_name,
        preset=preset,
        settings=resolve_preset(preset, settings),
        registry={**registry, "model_name": class_name},
        gene_names=[str(name) for name in content["var_names"]],
        trained=attributes["is_trained_"],
        history=attributes["history_"],
        attributes={name: attributes[name] for name in ATTRIBUTES if name in attributes},
        weights=weights,
        adata=ad.read_h5ad(cells) if with_adata and cells.exists() else None,
    )
