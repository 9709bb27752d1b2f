"""Values of Python, numpy and pandas in JSON, with their types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

TYPE = "__type__"
"""Key that marks an object which stands for a value that JSON does not have."""

DTYPES = re.compile(r"[<>|=](?:b1|[iu][1248]|f[248]|U\d{1,5}|[Mm]8\[\w+\]|O)")
"""What an array may be of; anything wider would let a file allocate at will."""


def to_json(value: Any, where: str) -> Any:  # noqa: PLR0911  one for each kind
    """Turn a value into what JSON has.

    Parameters
    ----------
    value
        Scalars, containers, arrays and data frames of them, nested at will.
    where
        What the value is, for the error message.

    Raises
    ------
    TypeError
        There is something else in it, which a reader that runs no code could not bring back.

    Examples
    --------
    >>> to_json({"mapping": np.array([1, 2]), "none": None}, "the registry")
    {'mapping': {'__type__': 'array', 'dtype': '<i8', 'shape': [2], 'values': [1, 2]}, 'none': None}
    """
    if value is None or type(value) in {bool, int, str}:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {TYPE: "float", "value": repr(value)}
    if isinstance(value, np.ndarray | np.generic) and DTYPES.fullmatch(value.dtype.str):
        return _array_to_json(value, where)
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and TYPE not in value:
            return {key: to_json(item, f"{where}[{key!r}]") for key, item in value.items()}
        return {TYPE: "dict", "items": [to_json(list(item), where) for item in value.items()]}
    if isinstance(value, list | tuple):
        items = [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return items if isinstance(value, list) else {TYPE: "tuple", "items": items}
    if isinstance(value, pd.DataFrame):
        index, columns = value.index, [[name, column.to_numpy()] for name, column in value.items()]
        return {TYPE: "frame", **to_json({"columns": columns, "index": index.to_numpy(), "name": index.name}, where)}
    if isinstance(value, pd.Interval):
        ends = {"left": value.left, "right": value.right, "closed": value.closed}
        return {TYPE: "interval", **to_json(ends, where)}
    if isinstance(value, pd.Timestamp):
        return {TYPE: "timestamp", "value": value.isoformat(), "zone": None if value.tz is None else str(value.tz)}
    msg = (
        f"{where} is {value!r}, a {type(value).__name__}, which a model file cannot hold; "
        "use strings, numbers, and lists, dicts or arrays of them there"
    )
    raise TypeError(msg)


def from_json(value: Any) -> Any:  # noqa: PLR0911  one for each kind
    """Turn back what :func:`to_json` gave.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is nothing that :func:`to_json` gives.

    Examples
    --------
    >>> from_json({"__type__": "tuple", "items": [1, "a"]})
    (1, 'a')
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TYPE not in value:
        return {key: from_json(item) for key, item in value.items()}
    kind = value[TYPE]
    if kind in {"array", "scalar"}:
        return _array_from_json(value)
    parts = {key: from_json(item) for key, item in value.items() if key != TYPE}
    match kind:
        case "float":
            return float(parts["value"])
        case "dict":
            return dict(parts["items"])
        case "tuple":
            return tuple(parts["items"])
        case "frame":
            return pd.DataFrame(dict(parts["columns"]), index=pd.Index(parts["index"], name=parts["name"]))
        case "interval":
            return pd.Interval(**parts)
        case "timestamp":
            moment = pd.Timestamp(parts["value"])
            return moment if parts["zone"] is None else moment.tz_convert(parts["zone"])
    msg = f"there is no kind of value {kind!r}"
    raise ValueError(msg)


def _array_to_json(value: np.ndarray[Any, Any] | np.generic, where: str) -> dict[str, Any]:
    flat = np.ravel(value)
    return {
        TYPE: "scalar" if isinstance(value, np.generic) else "array",
        "dtype": flat.dtype.str,
        "shape": list(np.shape(value)),
        "values": [to_json(item, where) for item in flat.view(_stored_as(flat.dtype)).tolist()],
    }


def _array_from_json(value: dict[str, Any]) -> Any:
    if not DTYPES.fullmatch(value["dtype"]):
        msg = f"there is no dtype {value['dtype']!r} in a model file"
        raise ValueError(msg)
    items, dtype = from_json(value["values"]), np.dtype(value["dtype"])
    if dtype.kind == "O":
        array = np.empty(len(items), dtype)
        for i, item in enumerate(items):  # all at once, numpy would take tuples of one length for a matrix
            array[i] = item
    else:
        array = np.array(items, _stored_as(dtype)).view(dtype)
    array = array.reshape(value["shape"])
    return array[()] if value[TYPE] == "scalar" else array


def _stored_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give integers for dates, whose text would not keep the unit."""
    return np.dtype(dtype.str[0] + "i8") if dtype.kind in "Mm" else dtype
