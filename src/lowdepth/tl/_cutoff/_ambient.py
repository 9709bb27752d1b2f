"""How much of a cell ambient RNA explains, and whether it says more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from anndata import AnnData
from scipy.special import logsumexp, softmax

from lowdepth._checks import get_counts, numbers

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import ArrayLike, NDArray

SHARES = np.linspace(0, 1, 11)
"""Of ambient RNA in a cell, which are compared."""

LEVEL = 0.05
"""Of empty droplets that pass for cells, at most."""

POOLED = 1e-3
"""Of each profile is the mean of all: a gene that one profile lacks is rare there, not impossible."""


class Ambient(NamedTuple):
    """The share of each cell that ambient RNA explains, and whether the cell may be nothing else."""

    share: NDArray[np.float64]
    only: NDArray[np.bool_]


def ambient_counts(profile: ArrayLike | AnnData, adata: AnnData) -> NDArray[np.float64]:
    """Get one number for each gene: the user's own, or the sums over the user's empty droplets."""
    if isinstance(profile, AnnData):
        absent = adata.var_names.difference(profile.var_names)
        if len(absent):
            msg = f"`ambient_profile` lacks {len(absent)} genes of adata, e.g. {absent[0]!r}; pass droplets with all"
            raise ValueError(msg)
        # before the selection of genes, which a view would copy
        sums: Any = np.ravel(get_counts(profile, None).sum(axis=0))
        values = np.asarray(sums, np.float64)[profile.var_names.get_indexer(adata.var_names)]
    else:
        values = numbers(profile, "`ambient_profile`")
    if values.shape != (adata.n_vars,):
        msg = f"`ambient_profile` has shape {values.shape}; expected one number for each of {adata.n_vars} genes"
        raise ValueError(msg)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        msg = "`ambient_profile` holds numbers that are negative or not finite, or only zeros; give counts or shares"
        raise ValueError(msg)
    return values


def type_profiles(counts: CSBase, codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum up the counts of each type that occurs, types by genes."""
    return np.stack([np.ravel(counts[codes == code].sum(axis=0)) for code in np.unique(codes)]).astype(np.float64)


def explain_by_ambient(counts: CSBase, cell_types: NDArray[np.float64], ambient: NDArray[np.float64]) -> Ambient:
    """Compare each cell's counts with ambient RNA, and with every type in which there is a share of it.

    The counts of a cell are multinomial with shares a q_g + (1 - a) p_tg of the genes: q is the ambient
    profile, p_t that of a type, and a one of 0, 0.1, ..., 1. The share of ambient RNA is the posterior
    mean of a, where all a and t are equally probable beforehand.

    A droplet with nothing but ambient RNA has a likelihood ratio of 1 on average, for each a and t
    and so for their mean E too; it exceeds 20 in one of 20 such droplets at most (Markov's inequality;
    Vovk and Wang 2021, Annals of Statistics). Cells with a smaller E may be nothing but ambient RNA.

    Parameters
    ----------
    counts
        Cells by genes.
    cell_types
        Counts of the types, types by genes.
    ambient
        Counts or shares, one for each gene.
    """
    profiles = np.vstack([ambient, cell_types])
    profiles = profiles / profiles.sum(axis=1, keepdims=True)
    profiles = (1 - POOLED) * profiles + POOLED * profiles.mean(axis=0)
    empty, types = profiles[0], profiles[1:]
    # a gene that no profile knows says nothing of any
    known = empty > 0
    empty, types, counts = empty[known], types[:, known], counts[:, known]
    ratios = np.stack([share + (1 - share) * types / empty for share in SHARES])
    evidence = np.stack([counts @ np.log(ratio).T for ratio in ratios], axis=1)
    posterior = softmax(evidence.reshape(len(evidence), -1), axis=1).reshape(evidence.shape)
    hypotheses = evidence[:, :-1].reshape(len(evidence), -1)
    e_value = logsumexp(hypotheses, axis=1) - np.log(hypotheses.shape[1])
    return Ambient(posterior.sum(axis=2) @ SHARES, e_value < np.log(1 / LEVEL))
