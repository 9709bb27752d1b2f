"""Numbers and choices among a function's arguments."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from ._messages import missing

if TYPE_CHECKING:
    from collections.abc import Sequence


def finite(name: str, value: float) -> None:
    """Raise unless a number is finite."""
    if not np.isfinite(value):
        msg = f"`{name}={value}`: it has to be a finite number"
        raise ValueError(msg)


def at_least(name: str, value: float, minimum: float) -> None:
    """Raise unless a number is finite and not below ``minimum``."""
    if not (isinstance(value, Real) and np.isfinite(value) and value >= minimum):
        msg = f"`{name}={value}`: it has to be a finite number of at least {minimum}"
        raise ValueError(msg)


def whole(name: str, value: float, minimum: int) -> None:
    """Raise unless a number is whole and not below ``minimum``."""
    at_least(name, value, minimum)
    if not isinstance(value, int | np.integer):
        msg = f"`{name}={value}`: it has to be a whole number"
        raise ValueError(msg)


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise unless an option is one of those allowed."""
    if value not in allowed:
        raise ValueError(missing(name, value, allowed, f"the choices for `{name}`"))
