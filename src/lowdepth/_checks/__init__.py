"""Checks of what users pass: each raises one message that names the value, the expectation and the next step."""

from __future__ import annotations

from ._arguments import at_least, finite, one_of, whole
from ._columns import by_cell, check_complete, depths, labels, numbers, obs_column, obs_in_memory, var_column
from ._counts import CONTAINERS, check_counts, check_no_empty_cells, counts_in_memory, get_counts
from ._messages import some, warn
from ._records import loaded, step_record
from ._representations import finite_cells, representation
from ._writable import check_own_columns, drop_column, writable

__all__ = [
    "CONTAINERS",
    "at_least",
    "by_cell",
    "check_complete",
    "check_counts",
    "check_no_empty_cells",
    "check_own_columns",
    "counts_in_memory",
    "depths",
    "drop_column",
    "finite",
    "finite_cells",
    "get_counts",
    "labels",
    "loaded",
    "numbers",
    "obs_column",
    "obs_in_memory",
    "one_of",
    "representation",
    "some",
    "step_record",
    "var_column",
    "warn",
    "whole",
    "writable",
]
