"""The embedding of cells that stay on the disk."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fast_array_utils.types import DaskArray
from tqdm.auto import tqdm

from lowdepth._files import remove
from lowdepth._keys import RefineKeys
from lowdepth.model import JointEmbedding
from lowdepth.model._divergence import TrainingDiverged, check_converged
from lowdepth.model._seed import seeded

from ._cells._deep_cells import deep_and_shallow, warn_without_deep_cells
from ._refine_stored import refine_stored
from ._training_record import training_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData

    from lowdepth._keys import EmbeddingKeys
    from lowdepth.model import StoredCells

logger = logging.getLogger("lowdepth")


def has_lazy_counts(adata: AnnData, layer: str | None) -> bool:
    """Tell whether the counts are not in memory."""
    return isinstance(adata.layers.get(layer), DaskArray)


def embed_stored(
    cells: StoredCells,
    keys: EmbeddingKeys,
    params: Mapping[str, Any],
    model_kwargs: Mapping[str, Any],
    *,
    seed: int,
    accelerator: str,
    low_umi: float,
    refine: bool,
) -> JointEmbedding:
    """Train on the cells and write their embedding to where they are.

    Parameters
    ----------
    cells
        The cells.
    keys
        Names of what is written.
    params
        Settings, for the record.
    model_kwargs
        Those of the model among them that the user put over the preset's.
    seed
        Seed of the training.
    accelerator
        As Lightning has it.
    low_umi
        Where cells are deep, to warn when none is, and for the refinement.
    refine
        Refine the shallow cells too.

    Raises
    ------
    ValueError
        The training diverged, or there are no deep or no shallow cells to refine.
    """
    from filelock import FileLock  # noqa: PLC0415  optional

    from lowdepth.model.stored._write_back import check_slots, results_of  # noqa: PLC0415

    _ = cells.folder  # raises where none is known
    refined_keys = RefineKeys(f"{keys.obsm}_refined") if refine else None
    for source in cells.sources:
        check_slots(source, keys.obsm, f"{keys.uns}/history")
        if refined_keys:
            check_slots(source, refined_keys.obsm, f"{refined_keys.uns}/params")
    total_umi = cells.collection.total_umi
    if refine:
        deep_and_shallow(total_umi, low_umi)  # raises before the training rather than after it
    warn_without_deep_cells(total_umi, low_umi)
    checkpoint = _checkpoint(cells, {**params, "rng": seed})
    with seeded(seed):
        model = JointEmbedding(cells, preset=params["preset"], n_latent=params["n_latent"], **model_kwargs)
        with _forgotten_if_diverged(checkpoint):
            model.train(
                max_epochs=params["max_epochs"],
                batch_size=params["batch_size"],
                lr=params["lr"],
                train_size=params["train_size"],
                accelerator=accelerator,
                enable_progress_bar=cells.progress_bar,
                checkpoint=checkpoint,
            )
        with FileLock(cells.folder / ".lock"), ExitStack() as files:
            results = [files.enter_context(results_of(source, keys.uns)) for source in cells.sources]
            embeddings = [result.embedding(keys.obsm, model.module.n_latent) for result in results]
            with _forgotten_if_diverged(checkpoint):
                _embed(cells, model, embeddings, params["lr"])
            if refined_keys:
                refine_stored(cells, model, embeddings, results, refined_keys, low_umi=low_umi, seed=seed)
            for result in results:
                result.record(keys.uns, training_record(params, model))
    remove(checkpoint)
    names = ", ".join(source.name for source in cells.sources)
    logger.info("added to %s\n    .obsm[%r]\n    .uns[%r]", names, keys.obsm, keys.uns)
    return model


def _checkpoint(cells: StoredCells, params: Mapping[str, Any]) -> Path:
    """Give the place of the training's state: another one for other cells, settings or versions."""
    versions = [version(package) for package in ("lowdepth", "scvi-tools", "torch")]
    all_that_decides = json.dumps([cells.collection.fingerprint, params, versions], sort_keys=True, default=repr)
    digest = blake2b(all_that_decides.encode(), digest_size=8).hexdigest()
    cells.folder.mkdir(parents=True, exist_ok=True)
    return cells.folder / f"training-{digest}.ckpt"


@contextmanager
def _forgotten_if_diverged(checkpoint: Path) -> Iterator[None]:
    """Remove the state of a training that diverged: it is not to be taken up again."""
    try:
        yield
    except TrainingDiverged:
        remove(checkpoint)
        raise


def _embed(cells: StoredCells, model: JointEmbedding, embeddings: Sequence[Any], lr: float) -> None:
    """Embed block by block."""
    covariates = cells.encoded(model.registry)
    with tqdm(total=cells.n_obs, desc="embedding", unit="cell", disable=not cells.progress_bar) as bar:
        for i, embedding in enumerate(embeddings):
            first = 0
            for block in cells.blocks(covariates, i):
                latent = model.get_latent_representation(dataloader=iter([block]))
                check_converged(latent, lr)
                embedding[first : first + len(latent)] = latent
                first += len(latent)
                bar.update(len(latent))
