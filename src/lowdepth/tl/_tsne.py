"""t-SNE, started from an exact PCA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.manifold import TSNE

from lowdepth._checks import finite_cells, representation, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import EmbeddingKeys
from lowdepth._random import seed_record
from lowdepth._record import storable

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from lowdepth._random import Rng


@shared_docs
def tsne(
    adata: AnnData,
    *,
    use_rep: str,
    perplexity: float = 30,
    max_obs: int | None = 10_000,
    key_added: str | None = None,
    rng: Rng = 0,
    copy: bool = False,
) -> AnnData | None:
    """Lay a representation out in two dimensions.

    scikit-learn's Barnes-Hut t-SNE on a sample of the cells, started from their first two
    principal components scaled to a standard deviation of 1e-4. The components come from an
    exact decomposition: the randomised one divides by zero when a latent has collapsed, as
    those of shallow cells do.

    Parameters
    ----------
    {adata}
    {use_rep}
    perplexity
        Effective number of neighbours; 30 is the tutorial's.
    max_obs
        Cells to lay out, drawn at random; ``None`` takes all.
    key_added
        Key in ``obsm``; ``None`` is ``use_rep`` with ``"_tsne"`` behind it.
    {rng_of_thread_count}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes

    ``adata.obsm[key_added]`` : ``n_obs`` by 2, NaN for cells outside the sample or without a finite representation
    ``adata.uns[key_added without "X_"]`` : the parameters

    Raises
    ------
    KeyError
        There is no such representation.
    ValueError
        There are not more cells than ``perplexity``; ``key_added`` holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(200, 300, rng=0)
    >>> adata.obsm["X_first_genes"] = adata.X[:, :10].toarray()
    >>> ld.tl.tsne(adata, use_rep="X_first_genes", perplexity=10, rng=0)
    >>> adata.obsm["X_first_genes_tsne"].shape
    (200, 2)
    """
    keys = EmbeddingKeys(key_added or f"{use_rep}_tsne")
    latent = representation(adata, use_rep)
    generator = np.random.default_rng(rng)
    cells = np.flatnonzero(finite_cells(adata, use_rep, "they are left out of the t-SNE"))
    if max_obs is not None and len(cells) > max_obs:
        cells = np.sort(generator.choice(cells, max_obs, replace=False))
    if len(cells) <= perplexity:
        msg = f"`perplexity={perplexity}` needs more cells than that, and there are {len(cells)}; lower it"
        raise ValueError(msg)
    layout = np.full((adata.n_obs, 2), np.nan, np.float32)
    layout[cells] = TSNE(
        perplexity=perplexity,
        init=_start(latent[cells], generator),
        random_state=int(generator.integers(2**31)),
        n_jobs=-1,
    ).fit_transform(latent[cells])

    adata = writable(adata, copy=copy)
    adata.obsm[keys.obsm] = layout
    params = {"use_rep": use_rep, "perplexity": perplexity, "max_obs": max_obs, **seed_record(rng)}
    adata.uns[keys.uns] = {"params": storable(params)}
    return adata if copy else None


def _start(latent: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.float32]:
    left, singular, _ = np.linalg.svd(latent - latent.mean(axis=0, dtype=np.float64), full_matrices=False)
    components = np.zeros((len(latent), 2))
    n_components = min(2, len(singular))
    components[:, :n_components] = left[:, :n_components] * singular[:n_components]
    spread = components[:, 0].std()
    # cells that all lie on one point have no principal component to start from
    scaled = components / spread if spread > 0 else generator.standard_normal(components.shape)
    return (1e-4 * scaled).astype(np.float32)
