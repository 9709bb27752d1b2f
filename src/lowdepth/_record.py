"""What is recorded of a step in ``uns``, in a form that h5ad and zarr can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the parameters that are ``None``.

    >>> given({"low_umi": 500, "layer": None})
    {'low_umi': 500}
    """
    return {name: value for name, value in params.items() if value is not None}


def storable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the parameters that are ``None``, and give lists as arrays.

    >>> storable({"models": ["scvi", "paper"], "layer": None})
    {'models': array(['scvi', 'paper'], dtype='<U5')}
    """
    return {name: np.array(value) if isinstance(value, list) else value for name, value in given(params).items()}
