"""How genes differ is told whatever the difference is."""

from __future__ import annotations

import pytest

from lowdepth._genes import difference_of_genes


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("abc", ""),
        ("acb", "they are in another order: gene 1 is 'c', expected 'b'"),
        ("ab", "1 of 3 are missing ['c'], 0 are unknown []"),
        ("abcc", "0 of 3 are missing [], 1 are unknown ['c']"),
        ("xyzab", "1 of 3 are missing ['c'], 3 are unknown ['x', 'y', 'z']"),
    ],
)
def test_difference(found, said):
    assert difference_of_genes(found, "abc") == said
