"""Two independent data sets from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lowdepth._checks import get_counts, numbers, var_column, writable
from lowdepth._docs import shared_docs
from lowdepth._keys import SplitKeys, check_name
from lowdepth._random import seed_record, stream_key
from lowdepth._record import storable
from lowdepth._umi_totals import total_umis
from lowdepth.thinning import thin_counts

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from lowdepth._random import Rng


@shared_docs
def split_counts(
    adata: AnnData,
    fraction: float = 0.5,
    *,
    layer: str | None = None,
    keys_added: tuple[str, str] = ("split_a", "split_b"),
    overdispersion: str | ArrayLike | None = None,
    rng: Rng = None,
    copy: bool = False,
) -> AnnData | None:
    """Split the counts of each cell into two independent folds that add up to them.

    The first fold is a binomial thinning of the counts, the second what is left. They are
    independent where counts are Poisson around each cell's own mean (Neufeld et al.,
    "Inference after latent variable estimation for single-cell RNA sequencing data",
    Biostatistics 2024). Genes whose counts vary more than that need a beta-binomial draw with
    their overdispersion (Neufeld et al., "Negative binomial count splitting for
    single-cell RNA sequencing data", 2023): without it the folds stay correlated.

    Parameters
    ----------
    {adata}
    fraction
        Expected share of the first fold, between 0 and 1.
    {layer}
    keys_added
        Names of the two layers.
    overdispersion
        For each gene, the α of its variance μ + αμ² (zero is Poisson, and scvi-tools'
        dispersion is 1 / α): an array of ``n_vars``, or the name of a ``var`` column.
    {rng}
    {copy}

    Returns
    -------
    ``None``, or the changed copy with ``copy=True``. Writes both folds, of the counts'
    container and dtype, into ``adata.layers``, and ``uns["split_counts"]``, the parameters of the last call.

    Raises
    ------
    {counts_errors}
        Or ``fraction`` is not between 0 and 1, or an overdispersion is negative, or a name holds a ``/``.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, rng=0)
    >>> ld.pp.split_counts(adata, 0.8, rng=0)
    >>> abs(adata.layers["split_a"] + adata.layers["split_b"] - adata.X).sum() == 0
    np.True_
    """
    if not 0 < fraction < 1:
        msg = f"`fraction={fraction}`: it has to lie between 0 and 1, both excluded"
        raise ValueError(msg)
    if isinstance(keys_added, str) or len(keys_added) != 2 or keys_added[0] == keys_added[1]:
        msg = f"`keys_added={keys_added!r}`: expected two different names"
        raise ValueError(msg)
    for name in keys_added:
        check_name(name)
    per_gene = None if overdispersion is None else _per_gene(adata, overdispersion)
    counts = get_counts(adata, layer)
    key = stream_key(rng, total_umis(counts).sum())
    first = thin_counts(counts, np.full(adata.n_obs, fraction), key, overdispersion=per_gene)
    second = counts - first if counts.dtype != bool else counts > first

    adata = writable(adata, copy=copy)
    adata.layers[keys_added[0]], adata.layers[keys_added[1]] = first, second
    named = overdispersion if isinstance(overdispersion, str) else per_gene
    params = {"fraction": fraction, "layer": layer, "keys_added": list(keys_added), "overdispersion": named}
    adata.uns[SplitKeys.uns] = {"params": storable({**params, **seed_record(rng)})}
    return adata if copy else None


def _per_gene(adata: AnnData, overdispersion: str | ArrayLike) -> NDArray[np.float64]:
    if isinstance(overdispersion, str):
        overdispersion = numbers(var_column(adata, overdispersion), f"adata.var[{overdispersion!r}]")
    values = numbers(overdispersion, "`overdispersion`")
    if values.shape != (adata.n_vars,):
        msg = f"`overdispersion` has shape {values.shape}; expected one number for each of the {adata.n_vars} genes"
        raise ValueError(msg)
    bad = values[~((values >= 0) & np.isfinite(values))]
    if bad.size:
        msg = f"`overdispersion` holds {bad[0]}; it has to be finite and not negative"
        raise ValueError(msg)
    return values
