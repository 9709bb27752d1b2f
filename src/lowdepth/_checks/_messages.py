"""What messages are made of."""

from __future__ import annotations

import difflib
import itertools
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def warn(message: str) -> None:
    """Warn and point at the user's own line, not at ours."""
    warnings.warn(message, UserWarning, skip_file_prefixes=(str(Path(__file__).parents[1]),))


def some(names: Iterable[object]) -> str:
    """Name the first few of many.

    >>> some(["a", "b"]), some("abcde")
    ('a, b', 'a, b, c, …')
    """
    first = [str(name) for name in itertools.islice(names, 4)]
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "")


def missing(what: str, name: str, present: Iterable[str], where: str) -> str:
    """Say what is there instead, and which of that may be meant."""
    present = [str(other) for other in present]
    near = difflib.get_close_matches(str(name), present, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(map(repr, present[:10])) + (", …" if len(present) > 10 else "")
    return f"there is no {what} {name!r} in {where} (present: {shown or 'nothing'}){hint}"
