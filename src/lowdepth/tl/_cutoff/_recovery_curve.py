"""How many cells are recognised at each depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from lowdepth._checks import labels, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import CurveKeys
from lowdepth._random import seed_record
from lowdepth._record import given
from lowdepth.model._seed import as_seed, seeded
from lowdepth.tl._cells._deep_cells import grid_of, labelled_deep_cells, least_voters, with_folds
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model
from lowdepth.tl._score._score_tables import stacked

from ._curve_result import RecoveryCurve
from ._recovered_types import curve_tables, recovered_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng


@shared_docs
def recovery_curve(
    adata: AnnData,
    model: BaseModelClass | Mapping[str, BaseModelClass],
    label_key: str,
    *,
    depths: Sequence[float] | None = None,
    low_umi: float = 1000,
    n_neighbors: int = 15,
    max_obs: int = 2000,
    n_bootstrap: int = 1000,
    layer: str | None = None,
    key_added: str = "recovery_curve",
    progress_bar: bool = True,
    rng: Rng = 0,
) -> RecoveryCurve:
    """Thin deep cells to a grid of depths, and see how many are still recognised.

    Deep cells are dealt out to five folds. Each is thinned to each depth, embedded by the model's
    encoder, and labelled by the vote of its nearest deep cells at their full depth, those of the
    other folds alone. Labels of shallow cells are not used. Several models see the same thinned
    cells and the same folds.

    The model itself may have been trained on these cells, and thinned clean cells are easier than
    real shallow droplets, which also hold ambient RNA and come from damaged cells: read the
    curves as upper bounds.

    Parameters
    ----------
    {adata}
    model
        Trained model with scVI's decoder, or several by name.
    {label_key}
        Those of deep cells are used.
    depths
        UMIs to thin to, at most ``low_umi``; ``None`` takes 20, 30, 50, 100, 200, 300, 500 and so on, up to it.
    {low_umi}
    n_neighbors
        Deep cells that vote; 15 is the tutorial's (Svensson 2026, doi:10.64898/2026.02.11.705441).
    max_obs
        Deep cells that are thinned, drawn at random; 2,000 tell an accuracy of 0.8 to 0.9 points.
        All deep cells vote.
    n_bootstrap
        Resamplings of the cells for the 95 % intervals; 0 leaves the intervals missing.
        They hold for these models: training again varies more.
    layer
        Layer that holds the raw counts; ``None`` takes the one that each model was trained on.
    key_added
        Name of the record.
    progress_bar
        Show the progress, model by model and depth by depth.
    {rng_of_thread_count}

    Returns
    -------
    The curves, also recorded in ``adata.uns["recovery_curve"]`` with the parameters, as data frames:

    ``overall`` : accuracy and balanced accuracy (the mean recall of the types), by model and depth
    ``per_type`` : recall, precision and number of cells, by model, depth and type

    Raises
    ------
    TypeError
        A model has no decoder like scVI's.
    NotImplementedError
        A model holds minified data, or the counts are backed by a file.
    KeyError
        There is no such layer or label column, or a column of ``obs`` that a model needs is missing.
    ValueError
        There is no model; a depth is not above 0, or is above ``low_umi``; there are too few deep
        cells with a label, or no type has two; a model has not been trained, or on other genes or
        batches; ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> curve = ld.tl.recovery_curve(adata, model, "cell_type", depths=[50, 200], low_umi=500, progress_bar=False)
    >>> curve.overall["depth"].to_list()
    [50.0, 200.0]
    """
    keys = CurveKeys(key_added)
    whole("max_obs", max_obs, 1)
    whole("n_bootstrap", n_bootstrap, 0)
    grid = grid_of(depths, low_umi)
    models = dict(model) if isinstance(model, Mapping) else {type(model).__name__: model}
    if not models:
        msg = "`model` holds no model; give one that is trained, or several by name"
        raise ValueError(msg)
    label = labels(adata, label_key)
    for one in models.values():
        check_model(one)
    cells_of = {name: ModelCells.of(adata, one, layer) for name, one in models.items()}

    seed = as_seed(rng)
    tables = {}
    with seeded(seed), tqdm(total=len(models) * len(grid), desc="recovery", disable=not progress_bar) as progress:
        for name, one in models.items():
            generator = np.random.default_rng(seed)
            cells, codes = labelled_deep_cells(cells_of[name], label, low_umi=low_umi)
            _check_deep(codes, low_umi, n_neighbors)
            deep = with_folds(cells, codes, max_obs=max_obs, generator=generator)
            predicted = recovered_types(
                deep, one, grid, n_neighbors=n_neighbors, generator=generator, progress=progress
            )
            names = label.categories.astype(str).to_numpy()
            tables[name] = curve_tables(
                codes[deep.judged], predicted, grid, names, n_bootstrap=n_bootstrap, generator=generator
            )
    params = {
        "label_key": label_key,
        "models": list(models),
        "depths": grid,
        "low_umi": low_umi,
        "n_neighbors": n_neighbors,
        "max_obs": max_obs,
        "n_bootstrap": n_bootstrap,
        "layer": layer,
        **seed_record(rng),
    }
    both = {
        table: stacked({name: of_model[table] for name, of_model in tables.items()}, "model")
        for table in ("overall", "per_type")
    }
    curve = RecoveryCurve(params=given(params), **both)
    writable(adata, copy=False).uns[keys.uns] = curve.to_uns()
    return curve


def _check_deep(codes: np.ndarray, low_umi: float, n_neighbors: int) -> None:
    whole("n_neighbors", n_neighbors, 1)
    if least_voters(len(codes)) < n_neighbors:
        msg = (
            f"{len(codes)} cells at or above `low_umi={low_umi}` have a label: too few for `n_neighbors={n_neighbors}` "
            "in four fifths of them; lower one of the two"
        )
        raise ValueError(msg)
    if np.bincount(codes).max() < 2:
        msg = f"no type has two cells at or above `low_umi={low_umi}`, so that none is known by others; lower it"
        raise ValueError(msg)
