"""Whether a sparse matrix is one: compiled loops check nothing, and would read foreign memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fast_array_utils import types

if TYPE_CHECKING:
    from typing import Any

    from fast_array_utils.types import CSBase


def check_structure(counts: CSBase, where: str) -> None:
    """Raise unless the three arrays of a CSR or CSC matrix describe one.

    scipy's own ``check_format`` may cut and convert the arrays of a matrix that is not ours to change.

    Raises
    ------
    ValueError
        Row ends go down or beyond the entries, entries lack an index or a value, or one lies outside the matrix.
    """
    n_major, n_minor = counts.shape if counts.format == "csr" else counts.shape[::-1]
    ends, indices = counts.indptr, counts.indices
    if ends.shape != (n_major + 1,) or ends[0] != 0 or (ends[1:] < ends[:-1]).any():
        wrong = f"its indptr has shape {ends.shape}, and does not go from 0 upwards through {n_major} more numbers"
    elif indices.ndim != 1 or indices.shape != counts.data.shape or ends[-1] > len(indices):
        wrong = f"its indptr ends at {ends[-1]}, with {len(indices)} indices and {len(counts.data)} values"
    elif ends[-1] and not 0 <= indices[: ends[-1]].min() <= indices[: ends[-1]].max() < n_minor:
        used = indices[: ends[-1]]
        wrong = f"its indices go from {used.min()} to {used.max()}, expected 0 to {n_minor - 1}"
    else:
        return
    msg = f"{where} is no valid {type(counts).__name__}: {wrong}; read it again, or make it anew from its source"
    raise ValueError(msg)


def in_one_place(counts: Any) -> Any:
    """Give a matrix that has each count once, sorted; a copy only where it is not so.

    scipy's comparisons do this too, but to the user's own matrix.
    """
    if isinstance(counts, types.CSBase) and not counts.has_canonical_format:
        counts = counts.copy()
        counts.sum_duplicates()
    return counts
