"""Where results may be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._messages import warn

if TYPE_CHECKING:
    from anndata import AnnData


def writable(adata: AnnData, *, copy: bool) -> AnnData:
    """Give the object to write results into; call it last, when nothing can fail any more."""
    if copy:
        return adata.copy()
    if adata.is_view:
        warn("Received a view of an AnnData. Making a copy.")
        adata._init_as_actual(adata.copy())
    return adata


def drop_column(adata: AnnData, key: str) -> None:
    """Drop a column of ``obs`` that an earlier run may have left, and this one does not write."""
    if key in adata.obs:
        del adata.obs[key]


def check_own_columns(
    adata: AnnData, key: str, *others: str, entry: str, function: str, argument: str = "key_added"
) -> None:
    """Raise if ``obs`` has columns of these names, or ``uns`` a record of the first, that the function did not write.

    Its record would say so, by an entry or a parameter that no other function's record has.
    """
    record = adata.uns.get(key)
    if isinstance(record, Mapping) and entry in {*record, *record.get("params", ())}:
        return
    for name in (key, *others):
        if name in adata.obs:
            msg = (
                f"adata.obs[{name!r}] is there already, and no adata.uns[{key!r}] says that `{function}` wrote it; "
                f"pass another `{argument}`, or rename or delete that column"
            )
            raise ValueError(msg)
    if key in adata.uns:
        msg = f"adata.uns[{key!r}] is there already, and not of `{function}`; pass another `{argument}`, or delete it"
        raise ValueError(msg)
