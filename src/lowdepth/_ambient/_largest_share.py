"""The most of a cell that can be ambient RNA, whatever the rest of the cell is.

Were lambda UMIs of a cell ambient RNA with the profile q, about Poisson(lambda q_g) of them would be of gene g,
and the rest of the cell could only add to that. So a cell that has too little of what ambient RNA brings,

    T(lambda) = sum_g min(x_g, lambda q_g),

has less of it: T of a cell with lambda ambient UMIs is at least that of these UMIs alone. The largest lambda
that is not rejected bounds the cell's own from above. With ever more UMIs it nears the largest share with which one
profile can be part of another (Blanchard, Lee and Scott, "Semi-supervised novelty detection", JMLR 2010).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import scipy.sparse as sp
from fast_array_utils.numba import njit
from scipy.special import pdtr
from scipy.stats import norm

from lowdepth._umi_totals import total_umis

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray

LEVEL = 0.05
"""Of cells whose ambient RNA exceeds the bound, at most."""

FEWEST_UMIS = -np.log(LEVEL)
"""Of ambient RNA, which may all be missing by chance: Poisson counts with this mean are zero as often as that."""

N_SHARES = 100
"""Steps of the bound: it is a whole number of hundredths."""

NODES_PER_E_FOLD = 8
"""Of the threshold over log(lambda), which runs straight between them."""


def least_shares(profile: NDArray[np.float64], most_umis: float) -> NDArray[np.float64]:
    """Give T(lambda) / lambda below which lambda ambient UMIs are rejected, for a ladder of lambdas up to the most."""
    profile = profile / profile.sum()
    e_folds = np.log(max(1.0, most_umis / FEWEST_UMIS))
    umis = np.exp(np.log(FEWEST_UMIS) + np.arange(e_folds * NODES_PER_E_FOLD + 2) / NODES_PER_E_FOLD)
    return _least_ambient(profile[profile > 0], umis) / umis


def largest_share(
    counts: CSBase | NDArray[np.number], profile: NDArray[np.float64], needed: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Give the largest share of each cell's UMIs that can be ambient RNA, on a confidence level of 95 %.

    It is 1 for cells that may be nothing else, as all cells of a few UMIs may be.

    Parameters
    ----------
    counts
        Cells by genes.
    profile
        Counts or shares of ambient RNA, one for each gene.
    needed
        What :func:`least_shares` gives for cells that are as deep, if it is there already.
    """
    rows = sp.csr_matrix(counts)
    if needed is None:
        needed = least_shares(profile, total_umis(rows).max())
    return _largest_shares(rows.data, rows.indices, rows.indptr, profile / profile.sum(), needed)


def _least_ambient(profile: NDArray[np.float64], umis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the values of T below which numbers of ambient UMIs are rejected.

    T is about normal, but for its skewness (Cornish and Fisher 1938), which counts where few genes make up
    the profile. Sums of Poisson counts vary more than those of UMIs whose number is known: that errs on the safe side.
    """
    z = norm.ppf(LEVEL)
    least = np.empty(len(umis))
    for place, n_umis in enumerate(umis):
        mean, variance, third = _cumulants(n_umis * profile)
        # a tail that is lighter than the normal one gives no reason to reject earlier
        skewness = min(0.0, third / variance**1.5)
        least[place] = mean + np.sqrt(variance) * (z + (z**2 - 1) / 6 * skewness)
    return least


def _cumulants(expected: NDArray[np.float64]) -> tuple[float, float, float]:
    """Give the first three cumulants of sum_g min(Y_g, m_g), Y_g Poisson with mean m_g."""
    whole = np.floor(expected)
    # E[Y (Y - 1) ... (Y - r + 1); Y <= k] = m^r P(Y <= k - r)
    one, two, three = (
        expected**r * np.where(whole >= r, pdtr(np.maximum(whole - r, 0), expected), 0) for r in (1, 2, 3)
    )
    above = 1 - pdtr(whole, expected)
    first = one + expected * above
    second = two + one + expected**2 * above
    third = three + 3 * two + one + expected**3 * above
    return (
        float(first.sum()),
        float((second - first**2).sum()),
        float((third - 3 * first * second + 2 * first**3).sum()),
    )


@njit
def _largest_shares(
    values: np.ndarray, columns: np.ndarray, row_starts: np.ndarray, profile: np.ndarray, needed: np.ndarray
) -> np.ndarray:
    out = np.zeros(len(row_starts) - 1)
    for cell in numba.prange(len(out)):
        start, stop = row_starts[cell], row_starts[cell + 1]
        total = 0.0
        for i in range(start, stop):
            total += values[i]
        for hundredths in range(N_SHARES, 0, -1):
            umis = total * hundredths / N_SHARES
            threshold = 0.0
            if umis > FEWEST_UMIS:
                position = np.log(umis / FEWEST_UMIS) * NODES_PER_E_FOLD
                node = int(position)
                weight = position - node
                threshold = umis * ((1 - weight) * needed[node] + weight * needed[node + 1])
            if _at_most_expected(values[start:stop], columns[start:stop], umis, profile) >= threshold:
                out[cell] = hundredths / N_SHARES
                break
    return out


@numba.njit(nogil=True, fastmath=True)
def _at_most_expected(values: np.ndarray, columns: np.ndarray, umis: float, profile: np.ndarray) -> float:
    total = 0.0
    for i in range(len(values)):
        total += min(float(values[i]), umis * profile[columns[i]])
    return total
