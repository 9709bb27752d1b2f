"""How much of a cell ambient RNA explains beside known types, and whether the cell says more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray

SHARES = np.linspace(0, 1, 11)
"""Of ambient RNA in a cell, which are compared."""

LEVEL = 0.05
"""Of empty droplets that pass for cells, at most."""

POOLED = 1e-3
"""Of each profile is the mean of all: a gene that one profile lacks is rare there, not impossible."""

CELLS_AT_A_TIME = 10_000
"""Compared with all types and shares together: a number for each of these, several times over."""


class Ambient(NamedTuple):
    """The share of each cell that ambient RNA explains, and whether the cell may be nothing else."""

    share: NDArray[np.float64]
    only: NDArray[np.bool_]


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
    log_ratios = [np.log(share + (1 - share) * types / empty).T for share in SHARES]
    blocks = np.array_split(np.arange(counts.shape[0]), counts.shape[0] // CELLS_AT_A_TIME + 1)
    explained = [_explain(counts[block], log_ratios) for block in blocks]
    return Ambient(*map(np.concatenate, zip(*explained, strict=True)))


def _explain(counts: CSBase, log_ratios: list[NDArray[np.float64]]) -> Ambient:
    evidence = np.stack([counts @ log_ratio for log_ratio in log_ratios], axis=1)
    posterior = softmax(evidence.reshape(len(evidence), -1), axis=1).reshape(evidence.shape)
    hypotheses = evidence[:, :-1].reshape(len(evidence), -1)
    e_value = logsumexp(hypotheses, axis=1) - np.log(hypotheses.shape[1])
    return Ambient(posterior.sum(axis=2) @ SHARES, e_value < np.log(1 / LEVEL))
