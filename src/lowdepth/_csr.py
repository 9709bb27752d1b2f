"""CSR matrices as models need them; dask's workers import this without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import scipy.sparse as sp

from lowdepth._sparse_structure import check_structure, in_one_place

if TYPE_CHECKING:
    import numpy as np
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray


def sorted_csr(counts: CSBase) -> CSBase:
    """Give CSR with sorted columns, every count in one place and no zeros; a copy only where it is not so already.

    Raises
    ------
    ValueError
        It is no valid sparse matrix.
    """
    check_structure(counts, "the matrix of counts")
    ordered = in_one_place(counts.tocsr())
    if not ordered.data.all():  # several times as quick as counting them
        ordered = ordered.copy() if ordered is counts else ordered
        ordered.eliminate_zeros()
    return ordered


def csr_matrix(counts: Any) -> sp.csr_matrix:
    """Give a sorted matrix of any container: scvi-tools knows sparse matrices, not sparse arrays."""
    return sorted_csr(sp.csr_matrix(counts))


def in_genes(counts: Any, place: NDArray[np.intp]) -> sp.csr_matrix:
    """Give the genes in these places, zeros for the place -1.

    >>> in_genes(sp.csr_matrix([[5, 6]]), [1, -1, 0]).toarray()
    array([[6, 0, 5]])
    """
    no_gene = sp.csr_matrix((counts.shape[0], 1), dtype=counts.dtype)
    return csr_matrix(sp.hstack([sp.csr_matrix(counts), no_gene], format="csr")[:, place])


def without_genes(counts: Any, is_kept: NDArray[np.bool_]) -> sp.csr_matrix:
    """Give the counts with zeros for genes that are not kept.

    >>> import numpy as np
    >>> without_genes(sp.csr_matrix([[5, 6]]), np.array([False, True])).toarray()
    array([[0, 6]])
    """
    return csr_matrix(counts @ sp.diags_array(is_kept.astype(counts.dtype), dtype=counts.dtype))
