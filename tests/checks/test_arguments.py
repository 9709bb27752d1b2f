"""Numbers out of range and unknown choices are named."""

from __future__ import annotations

import numpy as np
import pytest

from lowdepth import _checks


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number$"):
        _checks.finite("x", value)
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number of at least 0"):
        _checks.at_least("x", value, 0)


def test_bounds_are_included():
    _checks.at_least("x", 0, 0)
    _checks.finite("x", -1e300)
    with pytest.raises(ValueError, match=r"`x=-0\.1`"):
        _checks.at_least("x", -0.1, 0)


def test_choices():
    _checks.one_of("preset", "paper", ["paper", "scvi"])
    with pytest.raises(ValueError, match=r"there is no preset 'papper' in the choices .*did you mean 'paper'\?"):
        _checks.one_of("preset", "papper", ["paper", "scvi"])
