"""Section: how many shallow cells of each type and sample are worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._content import Section, Table, decimal, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._found import Found

CONFIDENT = 0.8
"""A label that is right four times in five: the accuracy that cutoffs are recommended for, too."""


def rescue_section(found: Found) -> Section | None:
    """Count shallow cells and those with a confident label, by type and by sample."""
    if not found.transferred or found.shallow is None:
        return None
    cells = _cells(found)
    by_type = _by_type(cells, _held_out_recall(found))
    tables = [_table(by_type, "By transferred label", "type")]
    if found.sample_key is not None:
        tables.append(_table(_by_sample(cells), f"By {found.sample_key}", "sample"))
    n_shallow, n_rescued = int(cells["shallow"].sum()), int(cells["rescued"].sum())
    return Section(
        title="Rescued cells",
        paragraphs=[
            f"{n_rescued:,} of {n_shallow:,} cells below {found.low_umi:,.10g} UMIs have a label with a confidence of "
            f"{CONFIDENT} or more: a fixed cutoff would have dropped them."
        ],
        tables=tables,
    )


def _cells(found: Found) -> pd.DataFrame:
    obs, keys = found.adata.obs, found.transfer
    cells = pd.DataFrame({"type": obs[keys.obs], "confidence": obs[keys.confidence], "total_umi": found.total_umi})
    cells["shallow"] = found.shallow
    cells["rescued"] = cells["shallow"] & (cells["confidence"] >= CONFIDENT)
    if found.sample_key is not None:
        cells["sample"] = obs[found.sample_key].astype("category")
    return cells


def _by_type(cells: pd.DataFrame, held_out_recall: dict[str, float]) -> pd.DataFrame:
    grouped = cells.groupby("type", observed=False)
    shallow = cells[cells["shallow"]].groupby("type", observed=False)
    table = pd.DataFrame(
        {
            "deep cells": grouped.size() - grouped["shallow"].sum(),
            "shallow cells": grouped["shallow"].sum(),
            "confident": grouped["rescued"].sum(),
            "mean confidence": shallow["confidence"].mean().map(decimal),
        }
    )
    if held_out_recall:
        table["held-out recall"] = [percent(held_out_recall.get(str(name), np.nan)) for name in table.index]
    return table


def _by_sample(cells: pd.DataFrame) -> pd.DataFrame:
    grouped = cells.groupby("sample", observed=True)
    shallow, rescued = grouped["shallow"].sum(), grouped["rescued"].sum()
    return pd.DataFrame(
        {
            "cells": grouped.size(),
            "median UMIs": grouped["total_umi"].median().map("{:,.0f}".format),
            "shallow cells": shallow,
            "confident": rescued,
            "share of them": (rescued / shallow).map(percent),
        }
    )


def _held_out_recall(found: Found) -> dict[str, float]:
    if "held_out" not in found.transferred:
        return {}
    held_out = found.transferred["held_out"]
    truth, right = held_out["label"], held_out["probability"].argmax(axis=1) == held_out["label"]
    names = found.transferred["categories"]
    return {str(names[code]): float(right[truth == code].mean()) for code in np.unique(truth)}


def _table(data: pd.DataFrame, caption: str, first: str) -> Table:
    return Table(
        caption=caption,
        header=[first, *map(str, data.columns)],
        rows=[[str(row[0]), *_written(row[1:])] for row in data.itertuples()],
    )


def _written(row: Iterable[Any]) -> list[str]:
    return [value if isinstance(value, str) else f"{value:,.0f}" for value in row]
