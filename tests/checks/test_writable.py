"""Results go where they were asked to go."""

from __future__ import annotations

import pytest
from helpers import assert_same, assert_unchanged, counts_adata

from lowdepth import _checks


def test_writable_gives_the_object_itself():
    adata = counts_adata()
    assert _checks.writable(adata, copy=False) is adata


def test_writable_copy_shares_nothing():
    adata = counts_adata()
    with assert_unchanged(adata):
        copied = _checks.writable(adata, copy=True)
        copied.X.data[:] = 0
        copied.obs["new"] = 1
        copied.uns["record"]["params"]["n"] = 2


def test_writable_materialises_views():
    adata = counts_adata()
    view = adata[:10]
    expected = view.copy()
    with pytest.warns(UserWarning, match=r"^Received a view of an AnnData. Making a copy.$"):
        assert _checks.writable(view, copy=False) is view
    assert not view.is_view
    assert_same(expected.X, view.X)
    assert not _checks.writable(adata[:10], copy=True).is_view  # without a warning: the copy was asked for
