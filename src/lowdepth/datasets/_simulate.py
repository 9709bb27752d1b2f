"""Counts of a made-up tissue, of any size, with the truth known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.special import ndtri

from lowdepth._checks import at_least, whole
from lowdepth._docs import shared_docs
from lowdepth._random import stream_key

from ._negative_binomial import draw_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lowdepth._random import Rng

DEEPEST = 1e9
"""UMIs of a cell; no real one has a hundredth of them, and drawing takes time in proportion."""


@shared_docs
def simulate(
    n_obs: int = 2000,
    n_vars: int = 2000,
    *,
    n_types: int = 8,
    n_batches: int = 2,
    median_umi: float | None = None,
    depth_sd: float = 0.5,
    type_effect: float = 1.0,
    batch_effect: float = 0.2,
    overdispersion: float = 0.3,
    cells: slice = slice(None),
    rng: Rng = None,
) -> AnnData:
    """Simulate raw counts of related cell types in several batches.

    Each count is negative binomial around the cell's depth times the gene's share of the
    UMIs in that cell's type and batch, so the expected total of a cell is its depth. No
    array of cells by genes is ever made: 50,000 cells by 32,000 genes take the memory of
    their non-zero counts.

    * Depths are log-normal.
    * Gene means span a genome's range: most genes are rare, the commonest takes 5 % at most.
    * Types are the leaves of a binary tree. Each branch changes a twentieth of the genes, so
      types 0 and 1 are close relatives, and the first and the last type the most distant
      ones. The commonest type has twelve times as many cells as the rarest.
    * Batches hold equal numbers of cells and shift every gene a little.

    Parameters
    ----------
    n_obs, n_vars
        Number of cells and of genes.
    n_types, n_batches
        Number of cell types and of batches.
    median_umi
        Median depth; ``None`` takes 45 times the square root of ``n_vars``: 8,000 UMIs and
        about 2,500 genes a cell for the 32,000 genes of a genome, 1,000 UMIs for a panel of 500.
    depth_sd
        Standard deviation of the depths' natural logarithm; 0.4 in filtered 10x data.
    type_effect, batch_effect
        Standard deviation of the log fold changes (natural logarithm) of a branch of the
        tree on the genes it changes, and of a batch on all genes.
    overdispersion
        Median over genes of the α of the variance μ + αμ² within a type and batch; zero
        makes the counts Poisson.
    cells
        Draw only these of the ``n_obs`` cells, a run of them. With one seed, runs side by side are
        the cells of one call, so that more than fit in memory can be written block by block.
    {rng}

    Returns
    -------
    Raw counts in ``X``, a float32 CSR matrix with sorted indices, and

    ``obs["cell_type"]``, ``obs["batch"]`` : categories
    ``var["overdispersion"]`` : the α of each gene

    Raises
    ------
    ValueError
        A number is below its minimum or not whole, ``cells`` is empty or has steps, or
        cells would be deeper than any is.

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.simulate(300, 500, n_types=3, rng=0)
    >>> adata.obs["cell_type"].cat.categories.to_list()
    ['type 0', 'type 1', 'type 2']
    """
    for name, number in {"n_obs": n_obs, "n_vars": n_vars, "n_types": n_types, "n_batches": n_batches}.items():
        whole(name, number, 1)
    median_umi = 45.0 * n_vars**0.5 if median_umi is None else median_umi
    at_least("median_umi", median_umi, 1)
    spreads = {"depth_sd": depth_sd, "type_effect": type_effect, "batch_effect": batch_effect}
    for name, spread in {**spreads, "overdispersion": overdispersion}.items():
        at_least(name, spread, 0)

    first, stop, step = cells.indices(n_obs)
    if step != 1 or first >= stop:
        msg = f"`cells={cells}` is no run of the {n_obs} cells; pass one, as `slice(0, 10_000)`, without steps"
        raise ValueError(msg)

    generator = np.random.default_rng(rng)
    cell_type = _unequal(n_obs, n_types, generator)
    batch = generator.permutation(np.arange(n_obs) % n_batches)
    log_factor = generator.normal(0, depth_sd, n_obs)
    if np.log(median_umi) + np.max(log_factor) > np.log(DEEPEST):
        msg = f"`median_umi={median_umi:g}` and `depth_sd={depth_sd:g}` make cells of over {DEEPEST:g} UMIs; lower them"
        raise ValueError(msg)
    depth = median_umi * np.exp(log_factor)
    alpha = overdispersion * np.exp(generator.normal(0, 0.5, n_vars))
    log_shares = (
        np.log(_mean_shares(n_vars, generator))
        + _tree(n_types, n_vars, type_effect, generator)[:, np.newaxis]
        + generator.normal(0, batch_effect, (n_batches, n_vars))
    )
    shares = np.exp(log_shares).reshape(-1, n_vars)
    shares /= shares.sum(axis=1, keepdims=True)
    group = cell_type * n_batches + batch
    return AnnData(
        draw_counts(shares, group[cells], depth[cells], alpha, stream_key(generator), first=first),
        obs=pd.DataFrame(
            {
                "cell_type": _categories(cell_type[cells], "type", n_types),
                "batch": _categories(batch[cells], "batch", n_batches),
            },
            index=[f"cell {i}" for i in range(first, stop)],
        ),
        var=pd.DataFrame({"overdispersion": alpha}, index=[f"gene {j}" for j in range(n_vars)]),
    )


def _unequal(n_obs: int, n_types: int, generator: np.random.Generator) -> NDArray[np.int64]:
    shares = generator.permutation(np.geomspace(12, 1, n_types))
    ends = shares.cumsum() / shares.sum()
    return generator.permutation(np.searchsorted(ends, (np.arange(n_obs) + 0.5) / n_obs))


def _mean_shares(n_vars: int, generator: np.random.Generator) -> NDArray[np.float64]:
    # quantiles instead of draws: one lucky gene could take half of all UMIs of a small panel
    quantiles = (generator.permutation(n_vars) + 0.5) / n_vars
    means = np.exp(2.5 * ndtri(quantiles))
    return np.minimum(means / means.sum(), 0.05)


def _tree(n_types: int, n_vars: int, effect: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Give the log fold changes of each type, summed over its branches from the root to its leaf."""
    n_levels = (n_types - 1).bit_length()
    changes = np.zeros((n_types, n_vars))
    for level in range(1, n_levels + 1):
        branch_of_type = np.arange(n_types) >> (n_levels - level)
        size = (branch_of_type[-1] + 1, n_vars)
        branches = generator.normal(0, effect, size) * (generator.random(size) < 0.05)
        changes += branches[branch_of_type]
    return changes


def _categories(codes: NDArray[np.int64], what: str, number: int) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, categories=pd.Index([f"{what} {i}" for i in range(number)]))
