"""Calibrated probabilities of types, by a model's embedding or decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from lowdepth.model._seed import as_seed, seeded
from lowdepth.tl._cells._depth_bins import bin_of
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model

from ._calibration import N_FOLDS, cross_calibrated, fit_calibrator
from ._depth_matched import depth_matched
from ._label_shift import correct_label_shift
from ._material import gather
from ._nearest_labels import nearest_labels
from ._neighbor_vote import check_n_neighbors
from ._posterior_labels import posterior_labels
from ._reliability import calibration_table, reliability
from ._transfer_cells import Transferred, choose_cells
from ._typicality import typicality

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng

    from ._evidence import Evidence, HeldOut
    from ._material import Material
    from ._transfer_cells import Reference


def transfer_with_model(
    adata: AnnData,
    label_key: str,
    model: BaseModelClass,
    *,
    method: str,
    reference: Reference,
    low_umi: float,
    layer: str | None,
    n_neighbors: int,
    n_references: int,
    label_shift: bool,
    progress_bar: bool,
    rng: Rng,
) -> Transferred:
    """Give calibrated probabilities of the types; the parameters are those of :func:`lowdepth.tl.label_transfer`."""
    check_model(model)
    all_cells = ModelCells.of(adata, model, layer)
    cells = choose_cells(
        adata,
        label_key,
        reference,
        low_umi=low_umi,
        total_umi=lambda: all_cells.total_umi,
        usable=lambda one: np.ones(one.n_obs, bool),
    )
    check_n_neighbors(n_neighbors, len(cells.codes))
    n_cells = np.bincount(cells.codes, minlength=len(cells.dtype.categories))
    if n_cells.max() < 2:
        msg = "no type has two reference cells, so that none can be predicted from the others; give more of them"
        raise ValueError(msg)
    source = all_cells if cells.source is adata else ModelCells.of(cells.source, model, layer)
    query, labelled = all_cells.take(cells.query), source.take(cells.reference)

    seed = as_seed(rng)
    generator = np.random.default_rng((seed, 1))  # another stream than that of the held-out cells
    n_query = len(cells.query)
    with seeded(seed), tqdm(total=n_query, desc="labelling", unit="cell", disable=not progress_bar) as progress:
        material = gather(
            query, labelled, model, codes=cells.codes, n_types=len(n_cells), n_references=n_references, seed=seed
        )
        if method == "posterior":
            held_out, evidence = posterior_labels(material, model, progress.update)
        elif method == "depth_matched":
            held_out, evidence = depth_matched(
                material, model, n_neighbors=n_neighbors, generator=generator, progress=progress.update
            )
        else:
            held_out, evidence = nearest_labels(material, n_neighbors=n_neighbors)
            progress.update(n_query)
    probability, record = _calibrated(held_out, evidence, material, label_shift=label_shift, generator=generator)
    return Transferred(cells, probability, typicality(material), record)


def _calibrated(
    held_out: HeldOut, evidence: Evidence, material: Material, *, label_shift: bool, generator: np.random.Generator
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    codes, frequencies, edges = material.codes, material.frequencies, material.edges
    # a cell that is the only one of its type cannot be predicted from others, and says nothing of the query
    fair = np.bincount(codes)[codes[held_out.rows]] > 1
    rows, judged = held_out.rows[fair], held_out.evidence.take(fair)
    truth = codes[rows]
    fold = generator.permutation(np.arange(len(codes)) % N_FOLDS)[rows]
    probability = fit_calibrator(judged, truth, frequencies)(evidence)
    crossed = cross_calibrated(judged, truth, frequencies, fold)
    bins, judged_bins = bin_of(evidence.total_umi, edges), bin_of(judged.total_umi, edges)
    curve = reliability(crossed, truth, judged_bins)
    record: dict[str, Any] = {
        "calibration": calibration_table(curve, edges, evidence.total_umi.max()),
        "reliability": curve,
        "held_out": {
            "total_umi": judged.total_umi,
            "label": truth,
            "probability": crossed.astype(np.float32),
        },
    }
    if label_shift:
        probability, shifted = correct_label_shift(probability, bins, crossed, judged_bins, frequencies)
        record["prior"] = {"reference": frequencies, "query": shifted}
    return probability, record
