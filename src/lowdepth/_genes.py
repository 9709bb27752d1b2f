"""How the genes of some cells differ from those of others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def difference_of_genes(found: Iterable[object], expected: Iterable[object]) -> str:
    """Say what is wrong with the genes; nothing where each is as expected.

    >>> difference_of_genes(["a", "b"], ["b", "a"])
    "they are in another order: gene 0 is 'a', expected 'b'"
    >>> difference_of_genes(["a", "x"], ["a", "b", "c"])
    "2 of 3 are missing ['b', 'c'], 1 are unknown ['x']"
    """
    have, want = [str(gene) for gene in found], [str(gene) for gene in expected]
    missing, unknown = (sorted(genes) for genes in (Counter(want) - Counter(have), Counter(have) - Counter(want)))
    if missing or unknown:
        return f"{len(missing)} of {len(want)} are missing {missing[:3]}, {len(unknown)} are unknown {unknown[:3]}"
    places = (i for i, (one, other) in enumerate(zip(have, want, strict=True)) if one != other)
    if (i := next(places, None)) is None:
        return ""
    return f"they are in another order: gene {i} is {have[i]!r}, expected {want[i]!r}"
