"""Section: what a reader should not overlook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowdepth._keys import CurveKeys, EmbeddingKeys, EmulateKeys, ScoreKeys
from lowdepth.tl._score._score_result import CAVEAT

from ._content import Section, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._found import Found

FEW_DEEP_CELLS = 500
"""A minibatch of the method's tutorial: below that, too little shows what depth does."""

FEW_CELLS_OF_A_TYPE = 20
"""The share of right labels among fewer cells says nothing."""

LARGE_ERROR = 0.1
"""Of a confidence: chance alone makes one to two points."""


def caution_section(found: Found) -> Section | None:
    """List what speaks against taking the figures at face value."""
    points = [*_of_method(found), *_of_cells(found), *_of_transfer(found), *_of_repetition(found)]
    return Section(title="Keep in mind", points=points) if points else None


def _of_method(found: Found) -> Iterator[str]:
    if found.transferred or found.record(ScoreKeys.uns) or found.record(CurveKeys.uns):
        yield CAVEAT
    if found.record(EmulateKeys.uns):
        yield "These cells were thinned in the computer: they show the method, not an experiment."


def _of_cells(found: Found) -> Iterator[str]:
    if found.shallow is None:
        yield "Depths were not measured, so that several sections are missing: run ld.pp.depth_metrics(adata)."
        return
    n_deep = int((~found.shallow).sum())
    if n_deep < FEW_DEEP_CELLS:
        yield (
            f"Only {n_deep:,} cells have {found.low_umi:,.10g} UMIs or more: the method learns from deep cells what "
            "shallow ones are."
        )
    if not found.transferred:
        return
    n_of_type = found.adata.obs.loc[~found.shallow, found.transfer.obs].value_counts()
    rare = [f"{name} ({n:,})" for name, n in n_of_type.items() if n < FEW_CELLS_OF_A_TYPE]
    if rare:
        yield f"Few deep cells show these types, whose labels are the least certain: {', '.join(rare)}."


def _of_transfer(found: Found) -> Iterator[str]:
    if not found.transferred:
        return
    if "calibration" not in found.transferred:
        yield "Confidences are plain shares of votes: nothing says how often they are right."
    else:
        for row in found.transferred["calibration"].itertuples():
            if row.ece > LARGE_ERROR:
                yield (
                    f"Confidences of cells with {row.umi_low:,.0f} to {row.umi_high:,.0f} UMIs are off by "
                    f"{percent(row.ece)} on average."
                )
    n_unknown = int(found.adata.obs[found.transfer.obs].isna().sum())
    if n_unknown:
        yield f"Cells without a label, because nothing can be said about them: {n_unknown:,}."


def _of_repetition(found: Found) -> Iterator[str]:
    for key in (EmbeddingKeys(found.use_rep).uns, found.transfer.uns):
        params = found.params(key)
        if params and "rng" not in params and params.get("method") != "knn":
            yield f"The step {key!r} cannot be repeated exactly: it was given no integer as its seed."
