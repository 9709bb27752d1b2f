"""A model from what was saved of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from scvi import REGISTRY_KEYS

from lowdepth._genes import difference_of_genes
from lowdepth.model._presets import SavedPreset
from lowdepth.model.stored import StoredCells

from ._saved_model import CELLS, INDICES, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from scvi.external import JointEmbeddingSCVI

    from ._saved_model import SavedModel


def restore[Model: JointEmbeddingSCVI](
    cls: type[Model], saved: SavedModel, adata: AnnData | StoredCells | None, where: str
) -> Model:
    """Build a model, on the CPU and in evaluation mode, and register its cells.

    Parameters
    ----------
    cls
        Class of the model.
    saved
        What was saved.
    adata
        Cells to register with it.
    where
        Folder that it was saved in, for the error messages.

    Raises
    ------
    ValueError
        The cells have other genes, or the parts do not fit together. ``adata`` is as it was then.
    """
    if adata is not None:
        _check_genes(adata, saved.gene_names, where)
    if isinstance(adata, StoredCells):
        model = restore(cls, saved, None, where)
        adata.encoded(saved.registry)  # raises where they have other batches
        model.cells, model._adata_manager = adata, adata.manager(saved.registry)
        forget_training_cells(model)
        return model
    if adata is None and saved.settings.get("use_observed_lib_size") is False:
        msg = f"the model in {where!r} estimates library sizes, beginning with those of its cells; pass them as `adata`"
        raise ValueError(msg)
    # the weights that a new model draws are not kept, and should not move the user's random state
    with torch.random.fork_rng(devices=[]), registration_undone_on_error(adata):
        if adata is not None:
            cls.setup_anndata(adata, source_registry=saved.registry, **saved.registry["setup_args"])
        try:
            model = cls(adata, registry=saved.registry, preset=SavedPreset(saved.preset), **saved.settings)
            model.module.load_state_dict(saved.weights)
            n_obs = saved.registry["field_registries"][REGISTRY_KEYS.X_KEY]["summary_stats"]["n_cells"]
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            msg = f"what was saved in {where!r} does not make a {cls.__name__} in this version of lowdepth: {error}"
            raise ValueError(msg) from error
        for name, value in {**saved.attributes, "is_trained_": saved.trained, "history_": saved.history}.items():
            setattr(model, name, value)
        model.module.eval()
        if adata is not None:
            model._validate_anndata(adata)
            cells = digest_of(adata.obs_names)
            if adata.n_obs != n_obs or saved.registry.get(CELLS, cells) != cells:
                forget_training_cells(model)
    return model


def forget_training_cells(model: JointEmbeddingSCVI) -> None:
    """Drop which cells a model was trained on: scvi-tools keeps their positions, and the model has other cells."""
    for name in INDICES:
        setattr(model, name, None)


def _check_genes(adata: AnnData | StoredCells, expected: list[str], where: str) -> None:
    if difference := difference_of_genes(adata.var_names, expected):
        msg = (
            f"`adata` has not the genes of the model in {where!r}: {difference}; arrange them with "
            f"`JointEmbedding.prepare_query_anndata(adata, {where!r})`, which puts zeros where one is missing"
        )
        raise ValueError(msg)


@contextmanager
def registration_undone_on_error(adata: AnnData | None) -> Iterator[None]:
    """Take back on an error what scvi-tools wrote into the cells to register them."""
    before = {} if adata is None else {slot: _registered(adata, slot) for slot in ("obs", "obsm", "uns")}
    try:
        yield
    except BaseException:
        for slot, entries in before.items():
            for key in _registered(adata, slot).keys() - entries.keys():
                del getattr(adata, slot)[key]
            for key, value in entries.items():
                getattr(adata, slot)[key] = value
        raise


def _registered(adata: AnnData | None, slot: str) -> dict[str, Any]:
    entries = getattr(adata, slot)
    return {key: entries[key] for key in entries if str(key).startswith("_scvi")}
