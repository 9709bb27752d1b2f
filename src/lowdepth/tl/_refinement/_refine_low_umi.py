"""Shallow cells take the place of the deep cells that explain their counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from lowdepth._checks import at_least, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import RefineKeys
from lowdepth._random import seed_record
from lowdepth.model._seed import as_seed, seeded
from lowdepth.tl._cells._deep_cells import deep_and_shallow
from lowdepth.tl._cells._model_cells import ModelCells
from lowdepth.tl._cells._registered import check_model

from ._compared import MOST_REFERENCES, N_NEIGHBORS, RefinementSettings, compared, refinement_record, scattered
from ._refinement import check_likelihood

if TYPE_CHECKING:
    from anndata import AnnData
    from scvi.model.base import BaseModelClass

    from lowdepth._random import Rng

logger = logging.getLogger("lowdepth")


@shared_docs
def refine_low_umi(
    adata: AnnData,
    model: BaseModelClass,
    *,
    low_umi: float = 1000,
    layer: str | None = None,
    n_references: int | None = None,
    temperature: float = 1.0,
    n_neighbors: int = N_NEIGHBORS,
    residuals: bool = True,
    likelihood: str = "multinomial",
    key_added: str = "X_joint_embedding_refined",
    store_weights: bool = False,
    progress_bar: bool = True,
    rng: Rng = 0,
    copy: bool = False,
) -> AnnData | None:
    """Move shallow cells to the deep cells whose profiles explain their counts.

    An encoder has to guess from few UMIs in one go. Its decoder can be asked instead how likely
    the counts x of shallow cell i are under the profile rho of each deep cell j, decoded in the
    batch and with the categorical covariates of cell i: with the multinomial likelihood,

        s_ij = mean over k in N_j of sum_g x_ig log(rho_kg),   w_i = softmax_j(s_ij / temperature + log(n_j)),
        z_i = sum_j w_ij z_j.

    With the reference alone in N_j that is the posterior mean of the latent z, with the embedded deep
    cells as prior. A decoder that has seen a deep cell many times gives some of its noise back, so
    that N_j also holds the reference's nearest neighbours among the references. No labels
    are used. Deep cells keep the encoder's embedding.

    The decoder is also wrong in ways that its references show. These are pooled where they lie together, ten to a
    pool on average: O_pg are the counts of a pool's references, E_pg what is decoded for them, each in its own batch.
    A gamma prior with mean 1 and variance 1/a on the true ratio gives

        rho_kg is replaced by rho_kg (O_pg + a) / (E_pg + a), scaled to a sum of one over the genes,

    the gamma-Poisson shrinkage of observed over expected counts (DuMouchel 1999, doi:10.1080/00031305.1999.10474456).
    The variance is estimated: it is what two halves of the references agree on.

    Where deep cells are many, references are drawn from neighbourhoods of the latent space in
    proportion to the square root of their sizes, so that rare states are among them, and each
    counts as the n_j deep cells that it stands for (otherwise n_j = 1). Their profiles are
    decoded once for each combination of batch and categorical covariates that shallow cells
    have, with the mean of these cells' continuous covariates. Memory beyond the data: the
    profiles, 4 bytes for each reference and gene, and some hundred megabytes.

    Counts in a dask array are read four times, block by block: for the depths, the embedding of deep cells, the
    residuals of references and the comparison of shallow ones. Dask's workers compute the blocks and cut the cells
    out of them. The model stays in this process, and sees portions of at most 33 million UMIs, one at a time: sent
    to the workers, it would be there several times, as would the profiles, and share their cores with the blocks.
    References are decoded again for each portion.

    Parameters
    ----------
    {adata}
    {model}
    {low_umi}
    {model_layer}
    n_references
        Deep cells to compare with; ``None`` takes all of them, or 5,000 where there are more.
    temperature
        Divides the log-likelihood: above 1 for weights that are less certain.
    n_neighbors
        References that speak with each reference, its nearest in the embedding; 0 for the reference alone.
        Two by default, since more would drown a type of three deep cells.
    residuals
        Correct decoded profiles by what the references' own counts show beyond them.
    likelihood
        ``"multinomial"``: of the counts given their sum. ``"nb"``: negative binomial at the
        cell's UMIs and with the model's dispersion, for models with ``gene_likelihood`` ``"nb"``
        or ``"zinb"`` (without its zero inflation) and ``dispersion`` ``"gene"`` or ``"gene-batch"``.
    key_added
        Key in ``obsm``; the other slots have the same name without ``"X_"`` as their beginning.
    store_weights
        Store the 100 largest weights of each shallow cell, scaled to a sum of one.
    progress_bar
        Show the progress of the comparison.
    {rng_of_thread_count}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obsm["X_joint_embedding_refined"]`` : the embedding, ``n_obs`` by ``n_latent``, float32
    ``adata.obs["joint_embedding_refined_n_references"]`` : effective number of references, 1 / sum of w²
    ``adata.obs["joint_embedding_refined_entropy"]`` : entropy of w in nats; both are NaN in deep cells
    ``adata.obsp["joint_embedding_refined_weights"]`` : CSR, shallow cells by references, with ``store_weights=True``
    ``adata.uns["joint_embedding_refined"]`` : the parameters

    Raises
    ------
    TypeError
        The model has no decoder like scVI's.
    NotImplementedError
        The model holds minified data, ``likelihood="nb"`` does not fit it, or the counts are backed by a file.
    KeyError
        There is no such layer, or a column of ``obs`` that the model needs is missing.
    ValueError
        The model has not been trained, gives values that are not finite, or was trained on other
        genes or batches; the counts are not raw, or a cell has none; there are no deep or no
        shallow cells; an option is out of range; ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> model = ld.tl.joint_embedding(adata, n_latent=8, max_epochs=1, low_umi=500, progress_bar=False)
    >>> ld.tl.refine_low_umi(adata, model, low_umi=500, progress_bar=False)
    >>> adata.obsm["X_joint_embedding_refined"].shape
    (200, 8)
    """
    keys = RefineKeys(key_added)
    at_least("low_umi", low_umi, 0)
    n_references = MOST_REFERENCES if n_references is None else n_references
    whole("n_references", n_references, 1)
    whole("n_neighbors", n_neighbors, 0)
    if not (np.isfinite(temperature) and temperature > 0):
        msg = f"`temperature={temperature}`: it has to be a finite number above 0"
        raise ValueError(msg)
    check_model(model)
    check_likelihood(likelihood, model.module)
    cells = ModelCells.of(adata, model, layer)
    total_umi = cells.total_umi
    deep, shallow = deep_and_shallow(total_umi, low_umi)
    settings = RefinementSettings(
        n_references=n_references,
        temperature=temperature,
        n_neighbors=n_neighbors,
        residuals=residuals,
        likelihood=likelihood,
    )

    seed = as_seed(rng)
    with seeded(seed):
        latent = cells.latent(model, deep)
        references, refined = compared(
            cells,
            model,
            latent,
            deep,
            shallow,
            settings=settings,
            seed=seed,
            store_weights=store_weights,
            progress_bar=progress_bar,
        )

    adata = writable(adata, copy=copy)
    embedding = np.empty((adata.n_obs, latent.shape[1]), np.float32)
    embedding[deep], embedding[shallow] = latent, refined.latent
    adata.obsm[keys.obsm] = embedding
    adata.obs[keys.n_references] = scattered(refined.n_references, shallow, adata.n_obs)
    adata.obs[keys.entropy] = scattered(refined.entropy, shallow, adata.n_obs)
    adata.obsp.pop(keys.weights, None)  # those of an earlier run are of other cells
    if refined.weights is not None:
        weights = refined.weights.tocoo()
        places = shallow[weights.row], deep[references.cells[weights.col]]
        adata.obsp[keys.weights] = csr_matrix((weights.data, places), shape=(adata.n_obs, adata.n_obs))
    adata.uns[keys.uns] = refinement_record(settings, references, low_umi=low_umi, layer=layer, **seed_record(rng))
    logger.info(
        "added\n    .obsm[%r]\n    .obs[%r]\n    .obs[%r]\n    .uns[%r]",
        keys.obsm,
        keys.n_references,
        keys.entropy,
        keys.uns,
    )
    return adata if copy else None
