"""Labels for shallow cells, from the deep cells around them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.special import entr

from lowdepth._checks import at_least, by_cell, check_own_columns, drop_column, one_of, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import TransferKeys, colors_key
from lowdepth._random import seed_record
from lowdepth._record import given

from ._transfer_by_votes import transfer_by_votes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng

    from ._transfer_cells import Transferred

logger = logging.getLogger("lowdepth")

METHODS = ("auto", "knn", "depth_matched", "posterior")


@shared_docs
def label_transfer(
    adata: AnnData,
    label_key: str,
    *,
    model: BaseModelClass | None = None,
    use_rep: str | None = None,
    method: str = "auto",
    low_umi: float = 1000,
    reference: AnnData | str | ArrayLike | None = None,
    layer: str | None = None,
    n_neighbors: int = 15,
    n_references: int = 5000,
    label_shift: bool = True,
    key_added: str = "label_transfer",
    progress_bar: bool = True,
    rng: Rng = 0,
    copy: bool = False,
) -> AnnData | None:
    """Label shallow cells by deep ones, and say how sure that is.

    Each query cell gets its most probable label, whatever label it had before; reference cells
    keep their own. With a ``model`` there are three methods:

    * ``"posterior"``: reference cells are decoded in the batch of the query cell; a type is as
      probable as the weights of its cells in the posterior given the counts, see
      :func:`lowdepth.tl.refine_low_umi`, with a temperature for each depth.
    * ``"depth_matched"``: reference cells are thinned to the depths of the query cells, several
      times and for each bin of depths, and vote among their nearest neighbours in the embedding,
      where the noise is then the same on both sides.
    * ``"knn"``: the nearest reference cells vote at their full depth, as in the method's tutorial
      (Svensson 2026, doi:10.64898/2026.02.11.705441).

    Their probabilities are calibrated: reference cells are thinned to the depths of the query
    cells and predicted without themselves; a correction of each method's evidence, of few
    parameters that depend on depth and type, is fitted to how often that was right. Labels of
    query cells are never used. A model can be surer of cells that it was trained on: where its
    training held out 500 of the reference cells or more (``train_size=0.9``), calibration is by
    these alone. Types may be more or less frequent among the query cells: their
    frequencies are estimated for each bin of depths (expectation maximisation of Saerens et al.
    2002, Neural Computation) and corrected for, where they differ beyond doubt. That takes
    ``"posterior"`` where a type has a few reference cells only, which are outvoted in the other
    methods; a close relative of a frequent type needs more than one.

    All that holds for cells of types that the reference has. A cell of another type gets the label of the
    next best, often with confidence. Its typicality tells: the share of held-out cells of its depth
    that lie as far from their nearest reference cells in the embedding. Where it is low for more cells
    than chance would have, a type may be missing from the reference.

    Counts in a dask array are computed by dask's workers, and seen by the model in this process, in portions, as in
    :func:`lowdepth.tl.refine_low_umi`; those of held-out cells and references are loaded.

    With ``use_rep`` instead of a model there is ``"knn"`` only, and its confidence is the plain
    fraction of votes: it is not calibrated, and neighbours carry the type frequencies of the
    reference, so that types which are rare there are seldom predicted.

    Parameters
    ----------
    {adata}
    label_key
        Column of ``obs`` that holds the labels. Those of reference cells are used, the others are not.
    model
        Trained model with scVI's decoder, e.g. what :func:`lowdepth.tl.joint_embedding` returns.
    use_rep
        Key in ``obsm`` of a representation, instead of a model.
    method
        ``"auto"`` takes ``"posterior"`` with a model, and ``"knn"`` with a representation.
    {low_umi}
        They are the reference, unless that is given.
    reference
        Who has labels, if not the deep cells: a mask over the cells, the name of a column of
        ``obs`` that holds one, or another AnnData, whose cells label all of ``adata``.
    {model_layer}
    n_neighbors
        Reference cells that vote, each with all its thinned copies; 15 is the tutorial's.
    n_references
        Reference cells to compare with in ``"posterior"`` and ``"depth_matched"``; where there are
        more, so many are drawn that rare states are among them.
    label_shift
        Correct for the type frequencies of the query cells.
    key_added
        Name of the columns and the record.
    progress_bar
        Show how many of the query cells a model has compared.
    {rng_of_thread_count}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obs["label_transfer"]`` : categorical, missing where nothing can be said
    ``adata.obs["label_transfer_confidence"]`` : probability of that label, 1 for reference cells
    ``adata.obs["label_transfer_entropy"]`` : entropy of the probabilities in nats
    ``adata.obs["label_transfer_typicality"]`` : with a model, a share for each query cell, NaN in the others
    ``adata.obsm["label_transfer_probability"]`` : ``n_obs`` by types, float32; NaN where nothing can be said
    ``adata.uns["label_transfer"]`` : ``categories``, the types in the order of these columns; ``params`` with
    the ``method``; ``reference``, the names of the reference cells, if an array said which; and with a model

    * ``calibration``, a data frame: depth bins (``umi_low`` inclusive, ``umi_high``), their
      ``n`` held-out cells, and ``accuracy``, mean ``confidence`` and expected calibration error ``ece`` of these
    * ``reliability``, a data frame: ``confidence`` and ``accuracy`` of ``n`` cells, by ``depth_bin`` and tenths of
      confidence
    * ``held_out``: ``total_umi``, ``label`` (codes) and ``probability`` of thinned reference cells,
      calibrated without them
    * ``prior``: type frequencies of the ``reference``, and of the ``query`` by depth bin

    ``adata.uns["label_transfer_colors"]`` : the label's colours, if it has some

    Raises
    ------
    KeyError
        ``obs["total_umi"]`` (without a model), the label column, the representation, the layer or
        a column that the model needs is missing.
    TypeError
        The model has no decoder like scVI's.
    NotImplementedError
        The model holds minified data, or the counts are backed by a file.
    ValueError
        Neither or both of ``model`` and ``use_rep`` are given; the method needs a model; there are
        no reference or no query cells, or fewer reference cells than neighbours; the counts or the
        model do not fit, see :func:`lowdepth.tl.refine_low_umi`; ``key_added`` holds a ``/`` or names columns of
        ``obs`` or an entry of ``uns`` that this function did not write; two labels read the same.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=500)
    >>> adata.uns["label_transfer"]["params"]["method"]
    'posterior'
    """
    one_of("method", method, METHODS)
    at_least("low_umi", low_umi, 0)
    whole("n_references", n_references, 1)
    keys = TransferKeys(key_added)
    check_own_labels(adata, keys)
    if (model is None) == (use_rep is None):
        msg = "give either `model=`, for calibrated probabilities, or `use_rep=`, the key in adata.obsm to compare in"
        raise ValueError(msg)
    chosen = method if method != "auto" else ("knn" if model is None else "posterior")
    if model is None and chosen != "knn":
        msg = f"`method={method!r}` needs `model=`; with `use_rep` there is `method='knn'`"
        raise ValueError(msg)
    params: dict[str, Any] = {"label_key": label_key, "method": chosen, "low_umi": low_umi, "n_neighbors": n_neighbors}
    if model is None:
        transferred = transfer_by_votes(
            adata, label_key, str(use_rep), reference=reference, low_umi=low_umi, n_neighbors=n_neighbors
        )
        params["use_rep"] = use_rep
    else:
        from ._transfer_with_model import transfer_with_model  # noqa: PLC0415  torch and scvi take seconds to import

        options: dict[str, Any] = {"layer": layer, "n_references": n_references, "label_shift": label_shift}
        transferred = transfer_with_model(
            adata,
            label_key,
            model,
            method=chosen,
            reference=reference,
            low_umi=low_umi,
            n_neighbors=n_neighbors,
            progress_bar=progress_bar,
            rng=rng,
            **options,
        )
        params |= given(options) | seed_record(rng)
    record: dict[str, Any] = {
        "categories": transferred.cells.dtype.categories.astype(str).to_numpy(copy=True),
        "params": params,
    }
    if isinstance(reference, str):
        params["reference"] = reference
    elif not (reference is None or isinstance(reference, AnnData)):
        record["reference"] = adata.obs_names[np.asarray(by_cell(reference, adata), bool)].to_numpy(str)

    adata = writable(adata, copy=copy)
    _write(adata, keys, transferred)
    _copy_colors(reference if isinstance(reference, AnnData) else adata, label_key, adata, keys, record["categories"])
    adata.uns[keys.uns] = {**record, **transferred.record}
    logger.info(
        "method %r; added\n    .obs[%r]\n    .obsm[%r]\n    .uns[%r]", chosen, keys.obs, keys.probability, keys.uns
    )
    return adata if copy else None


def check_own_labels(adata: AnnData, keys: TransferKeys, argument: str = "key_added") -> None:
    """Raise if labels, or what is written beside them, would take the place of something else."""
    check_own_columns(adata, *columns_of(keys), entry="categories", function="ld.tl.label_transfer", argument=argument)


def columns_of(keys: TransferKeys) -> list[str]:
    """Name the columns of ``obs``, that of the labels first."""
    return [keys.obs, keys.confidence, keys.entropy, keys.typicality]


def _write(adata: AnnData, keys: TransferKeys, transferred: Transferred) -> None:
    cells, of_query = transferred.cells, transferred.probability
    probability = np.full((adata.n_obs, of_query.shape[1]), np.nan)
    kept = np.flatnonzero(cells.kept >= 0)
    probability[kept] = np.eye(of_query.shape[1])[cells.kept[kept]]
    probability[cells.query] = of_query
    known = ~np.isnan(probability).any(axis=1)
    codes = np.where(known, np.nan_to_num(probability).argmax(axis=1), -1)
    adata.obs[keys.obs] = pd.Categorical.from_codes(codes, dtype=cells.dtype)
    adata.obs[keys.confidence] = probability.max(axis=1)
    adata.obs[keys.entropy] = entr(probability).sum(axis=1)
    adata.obsm[keys.probability] = probability.astype(np.float32)
    drop_column(adata, keys.typicality)
    if transferred.typicality is not None:
        column = np.full(adata.n_obs, np.nan)
        column[cells.query] = transferred.typicality
        adata.obs[keys.typicality] = column


def _copy_colors(
    source: AnnData, label_key: str, adata: AnnData, keys: TransferKeys, categories: NDArray[np.str_]
) -> None:
    """Give the types the colours that they have as labels, and none of an earlier run's that were of other types."""
    colors = colors_key(keys.obs)
    if colors_key(label_key) in source.uns:
        adata.uns[colors] = np.array(source.uns[colors_key(label_key)])
    elif keys.uns in adata.uns and not np.array_equal(adata.uns[keys.uns]["categories"], categories):
        adata.uns.pop(colors, None)
