"""Several methods on the same thinned cells, several times."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from tqdm.auto import tqdm

from lowdepth._checks import at_least, check_complete, counts_in_memory, labels, one_of, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import ComparisonKeys
from lowdepth._record import given
from lowdepth.model._accelerator import check_accelerator
from lowdepth.pp import depth_metrics, emulate_low_depth
from lowdepth.tl._score._label_transfer_score import label_transfer_score

from ._compared_methods import embedded, embeddings
from ._comparison import Comparison, paired_differences, summarised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._compared_methods import Embed, Methods

SCORES = ["accuracy", "balanced_accuracy", "macro_f1", "n_query", "n_reference"]


@shared_docs
def compare(
    adata: AnnData,
    label_key: str,
    *,
    methods: Methods = ("pca", "scvi", "paper", "denoise"),
    seeds: int | Sequence[int] = 5,
    baseline: str | None = None,
    emulate: bool = True,
    low_umi: float = 1000,
    n_neighbors: int = 15,
    batch_key: str | None = None,
    layer: str | None = None,
    n_latent: int = 32,
    max_epochs: int | None = None,
    batch_size: int = 512,
    accelerator: str = "auto",
    key_added: str = "compare",
    progress_bar: bool = True,
    **model_kwargs: Any,
) -> Comparison:
    """Compare methods by how many labels of shallow cells they recover, over several seeds.

    For each seed the cells are thinned as in the method's tutorial, see
    :func:`lowdepth.pp.emulate_low_depth`; all methods embed the same thinned cells without seeing a
    label, and are scored on the same split into deep and shallow ones, see
    :func:`lowdepth.tl.label_transfer_score`. The seed also starts the training. So the
    spread over seeds holds both the thinning's chance and the training's, and differences between
    methods are paired. Thinned clean cells are easier than real shallow droplets.

    Parameters
    ----------
    {adata}
        They are not changed, but for the record.
    {label_key}
    methods
        ``"pca"``: principal components of log-normalised counts. ``"scvi"``, ``"paper"`` and ``"denoise"``: the
        presets of :func:`lowdepth.tl.joint_embedding`. A mapping gives methods names of their own, and
        takes functions too, which get an AnnData and a seed and give an array of cells by dimensions.
    seeds
        How many, from 0 on, or which ones.
    baseline
        Method that the others are compared with; ``None`` takes the first.
    emulate
        Thin the cells. Without it the cells are taken as they are, and seeds differ in the training only.
    {low_umi}
    n_neighbors
        Deep cells that vote.
    batch_key
        Column of ``obs`` whose effect the models should not show.
    {layer}
    n_latent
        Dimensions of the embeddings.
    max_epochs
        Passes over the data; ``None`` takes each model's own number, see
        :meth:`lowdepth.model.JointEmbedding.train`.
    batch_size
        Cells per optimiser step.
    accelerator
        ``"cpu"``, ``"gpu"``, ``"mps"`` or ``"auto"``, as Lightning has it.
    key_added
        Name of the record.
    progress_bar
        Show the progress; one step is a method with a seed.
    **model_kwargs
        Put over the settings of every preset, see :class:`lowdepth.model.JointEmbedding`.

    Returns
    -------
    The comparison, also recorded in ``adata.uns["compare"]`` with the parameters, as data frames:

    ``per_seed`` : scores and seconds of each method and seed; seconds are those of embedding, with training
    ``overall`` : mean and standard deviation over the seeds
    ``differences`` : of each method to the baseline, seed by seed
    ``per_type`` : mean recall and its standard deviation over the seeds

    Raises
    ------
    {counts_errors}
        Or there are no deep or no shallow cells, or fewer deep ones than neighbours; no method, or one that is
        not known, or gives no row for each cell; no such GPU; no seed, or one twice; or ``key_added`` holds a
        ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 300, median_umi=3000, rng=0)
    >>> compared = ld.tl.compare(adata, "cell_type", methods=["pca", "denoise"], seeds=2, n_latent=8, max_epochs=1)
    >>> compared.per_seed["method"].to_list()
    ['pca', 'denoise', 'pca', 'denoise']
    """
    check_accelerator(accelerator)
    training = {"max_epochs": max_epochs, "batch_size": batch_size, "accelerator": accelerator, **model_kwargs}
    chosen = embeddings(methods, batch_key=batch_key, n_latent=n_latent, low_umi=low_umi, **training)
    baseline = next(iter(chosen)) if baseline is None else baseline
    one_of("baseline", baseline, list(chosen))
    keys = ComparisonKeys(key_added)
    all_seeds = _seeds(seeds)
    at_least("low_umi", low_umi, 0)
    labels(adata, label_key)
    check_complete(adata, batch_key)
    counts = counts_in_memory(adata, layer, "ld.tl.compare")
    if min(adata.shape) < 2:
        msg = f"there are {adata.n_obs} cells of {adata.n_vars} genes: methods are compared on many of both"
        raise ValueError(msg)
    # the cells without what the user has put beside them: each method works on a copy
    cells = AnnData(counts, adata.obs.copy(), adata.var[[]].copy())

    scores, recalls = [], []
    with tqdm(total=len(chosen) * len(all_seeds), desc="compare", disable=not progress_bar) as progress:
        for seed in all_seeds:
            thinned = emulate_low_depth(cells, rng=seed, copy=True) if emulate else depth_metrics(cells, copy=True)
            seconds = _embed_all(thinned, chosen, seed, progress)
            score = label_transfer_score(
                thinned, label_key, use_rep=list(chosen), low_umi=low_umi, n_neighbors=n_neighbors, n_bootstrap=0
            )
            overall = score.overall[SCORES].rename_axis("method").reset_index()
            scores.append(overall.assign(seed=seed, seconds=overall["method"].map(seconds)))
            recalls.append(score.per_type.rename(columns={"representation": "method"}))
    of_methods = pd.CategoricalDtype(list(chosen))
    per_seed = pd.concat(scores, ignore_index=True).astype({"method": of_methods})
    by_type = pd.concat(recalls).astype({"method": of_methods, "label": str})
    recall = by_type.groupby(["method", "label"], observed=True)["recall"].agg(["mean", "std"]).reset_index()
    params = {
        "label_key": label_key,
        "methods": list(chosen),
        "seeds": all_seeds,
        "baseline": baseline,
        "emulate": emulate,
        "low_umi": low_umi,
        "n_neighbors": n_neighbors,
        "batch_key": batch_key,
        "layer": layer,
        "n_latent": n_latent,
        **training,
    }
    compared = Comparison(
        params=given(params),
        per_seed=per_seed,
        overall=summarised(per_seed, list(chosen)),
        differences=paired_differences(per_seed, list(chosen), baseline),
        per_type=recall.rename(columns={"mean": "recall", "std": "recall_sd"}).astype({"label": "category"}),
    )
    writable(adata, copy=False).uns[keys.uns] = compared.to_uns()
    return compared


def _embed_all(cells: AnnData, methods: dict[str, Embed], seed: int, progress: Any) -> dict[str, float]:
    """Write each method's embedding under its name, and give the seconds that it took."""
    if cells.n_obs < 2:
        msg = f"seed {seed} leaves {cells.n_obs} cell: methods are compared on many; raise their number or depth"
        raise ValueError(msg)
    seconds, latents = {}, {}
    for name, embed in methods.items():
        start = perf_counter()
        latents[name] = embedded(name, embed, cells, seed)
        seconds[name] = perf_counter() - start
        progress.update()
    cells.obsm.update(latents)
    return seconds


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    if isinstance(seeds, int | np.integer):
        at_least("seeds", seeds, 1)
        return list(range(seeds))
    listed = [int(seed) for seed in seeds]
    if not listed or len(set(listed)) < len(listed):
        msg = f"`seeds={listed}`: expected at least one seed, and none twice"
        raise ValueError(msg)
    return listed
