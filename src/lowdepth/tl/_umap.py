"""UMAP of a representation, by scanpy or on a GPU by rapids-singlecell."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from lowdepth._checks import finite_cells, one_of, representation, whole, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import EmbeddingKeys
from lowdepth._random import seed_record

if TYPE_CHECKING:
    from lowdepth._random import Rng

LIBRARIES = {"umap": "scanpy", "rapids": "rapids_singlecell"}
"""Packages with the functions ``pp.neighbors`` and ``tl.umap``, under scanpy's name of the method."""


@shared_docs
def umap(
    adata: AnnData,
    *,
    use_rep: str,
    n_neighbors: int = 15,
    min_dist: float = 0.5,
    method: str = "umap",
    key_added: str | None = None,
    rng: Rng = 0,
    copy: bool = False,
) -> AnnData | None:
    """Lay a representation out in two dimensions: nearest neighbours, then UMAP (McInnes et al. 2018).

    scanpy's functions with scanpy's defaults, under a name of the representation's own, where plots and
    reports look for it. The graph of neighbours is not kept.

    Parameters
    ----------
    {adata}
    {use_rep}
    n_neighbors
        Neighbours of a cell, itself among them; 15 is scanpy's.
    min_dist
        Least distance between points of the layout; 0.5 is scanpy's.
    method
        ``"umap"``: scanpy. ``"rapids"``: rapids-singlecell, which has to be installed and needs an NVIDIA GPU.
    key_added
        Key in ``obsm``; ``None`` is ``use_rep`` with ``"_umap"`` behind it.
    {rng_of_thread_count}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obsm[key_added]`` : ``n_obs`` by 2, float32, NaN for cells without a finite representation
    ``adata.uns[key_added without "X_"]`` : the parameters

    Raises
    ------
    ImportError
        rapids-singlecell is asked for and not installed.
    KeyError
        There is no such representation.
    ValueError
        There is no such method, or there are not more cells than ``n_neighbors``; ``key_added``
        holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> ld.tl.umap(adata, use_rep="X_first_genes", rng=0)
    >>> adata.obsm["X_first_genes_umap"].shape
    (200, 2)
    """
    one_of("method", method, list(LIBRARIES))
    whole("n_neighbors", n_neighbors, 2)
    keys = EmbeddingKeys(key_added or f"{use_rep}_umap")
    latent = representation(adata, use_rep)
    cells = np.flatnonzero(finite_cells(adata, use_rep, "they are left out of the UMAP"))
    if len(cells) <= n_neighbors:
        msg = f"`n_neighbors={n_neighbors}` needs more cells than that, and there are {len(cells)}; lower it"
        raise ValueError(msg)
    library = _library(method)
    seed = int(np.random.default_rng(rng).integers(2**31))
    laid_out = AnnData(
        obs=pd.DataFrame(index=adata.obs_names[cells].astype(str)),
        obsm={use_rep: np.asarray(latent[cells], np.float32)},
    )
    library.pp.neighbors(laid_out, n_neighbors=n_neighbors, use_rep=use_rep, random_state=seed)
    library.tl.umap(laid_out, min_dist=min_dist, random_state=seed)
    layout = np.full((adata.n_obs, 2), np.nan, np.float32)
    layout[cells] = laid_out.obsm["X_umap"]

    adata = writable(adata, copy=copy)
    adata.obsm[keys.obsm] = layout
    params = {"use_rep": use_rep, "n_neighbors": n_neighbors, "min_dist": min_dist, "method": method}
    adata.uns[keys.uns] = {"params": {**params, **seed_record(rng)}}
    return adata if copy else None


def _library(method: str) -> Any:
    try:
        return import_module(LIBRARIES[method])
    except ImportError as error:
        msg = f"method={method!r} needs rapids-singlecell and an NVIDIA GPU; install it, or pass method='umap'"
        raise ImportError(msg) from error
