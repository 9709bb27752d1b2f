"""Warnings are about the user's code."""

from __future__ import annotations

import pytest

from lowdepth import _checks


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match="careful") as caught:
        _checks.warn("careful")
    assert caught[0].filename == __file__
