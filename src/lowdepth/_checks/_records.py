"""What earlier steps left in ``uns``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fast_array_utils import types

if TYPE_CHECKING:
    from anndata import AnnData


def step_record(adata: AnnData, key: str, *needed: str, step: str) -> Mapping[str, Any]:
    """Get what an earlier step left in ``uns``, with the entries that are needed of it."""
    record = loaded(adata.uns.get(key))
    missing = [name for name in needed if not (isinstance(record, Mapping) and name in record)]
    if missing:
        found = "is missing" if record is None else f"holds no {missing[0]!r}"
        msg = f"adata.uns[{key!r}] {found}; run `{step}` first"
        raise KeyError(msg)
    return record


def loaded(record: Any) -> Any:
    """Read a record in ``uns`` of an AnnData that was opened lazily: its arrays and data frames, wherever they lie."""
    if isinstance(record, types.DaskArray):
        return record.compute()
    if hasattr(record, "to_memory"):
        return record.to_memory()
    return {name: loaded(value) for name, value in record.items()} if isinstance(record, Mapping) else record
