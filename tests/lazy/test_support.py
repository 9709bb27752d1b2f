"""Each function works on counts in a dask array as it does in memory, or says by its name that it does not."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import dask.array as da
import pytest
import scipy.sparse as sp
from dask_support import BLOCKS, CALLS, LOW_UMI, NO_COUNTS, ON_DISK, REFUSES, SUPPORT, WRITES, assert_close
from helpers import SLOTS, assert_unchanged, counts_adata

import lowdepth as ld

# the small data, not the blocks
pytestmark = pytest.mark.filterwarnings("ignore:There are only .* deep cells with a type:UserWarning")

DOCS = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.fixture(scope="module")
def model():
    adata = counts_adata(150)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lowdepth._blocked_counts.CELLS_AT_A_TIME", 16)
        yield ld.tl.joint_embedding(
            adata, batch_key="batch", n_latent=4, max_epochs=3, batch_size=32, low_umi=LOW_UMI, progress_bar=False
        )


@pytest.fixture(scope="module")
def done(model):
    """Cells for which everything has been run in memory, so that each function finds what it reads."""
    adata = model.adata.copy()
    for name, call in CALLS.items():
        if SUPPORT[name] in {BLOCKS, NO_COUNTS}:
            call(adata, model)
    return adata


def test_every_function_is_in_the_table():
    functions = [
        f"{part}.{name}"
        for part in ("pp", "tl")
        for name in getattr(ld, part).__all__
        if inspect.isfunction(getattr(getattr(ld, part), name))
    ]
    assert sorted(SUPPORT) == sorted(functions) == sorted(CALLS)


def test_the_table_is_that_of_the_documentation():
    rows = re.findall(r"^\| \{func\}`~lowdepth\.([\w.]+)` \| ([^|]+) \|", DOCS.read_text(), flags=re.MULTILINE)
    assert dict(rows) == SUPPORT


@pytest.mark.parametrize("name", CALLS)
def test_as_in_memory_or_refused(name, done, model, monkeypatch):
    # several portions, as large data have, which are other ones than the blocks
    monkeypatch.setattr("lowdepth._blocked_counts.CELLS_AT_A_TIME", 16)
    monkeypatch.setattr("lowdepth._blocked_counts.UMIS_AT_A_TIME", 2500)
    in_memory, in_blocks = done.copy(), done.copy()
    in_blocks.X = da.from_array(sp.csr_array(done.X), chunks=(41, 17))
    if SUPPORT[name] in {REFUSES, ON_DISK}:
        by_name = rf"`ld\.{name}` takes no dask array.*adata\.to_memory" if SUPPORT[name] == REFUSES else "gene by gene"
        with assert_unchanged(in_blocks), pytest.raises(NotImplementedError, match=by_name):
            CALLS[name](in_blocks, model)
        return
    if SUPPORT[name] == NO_COUNTS:
        in_blocks.X = in_memory.X = da.zeros(done.shape).map_blocks(_unread, dtype=float)
    for adata in (in_memory, in_blocks):
        CALLS[name](adata, model)
    assert {layer for layer, counts in in_blocks.layers.items() if isinstance(counts, da.Array)} == {
        None,
        *WRITES.get(name, ()),
    }
    if SUPPORT[name] == NO_COUNTS:
        del in_memory.X, in_blocks.X
    for slot in SLOTS:
        assert_close(getattr(in_memory, slot), getattr(in_blocks, slot), slot)


def _unread(block):
    msg = "somebody computes the counts"
    raise AssertionError(msg)
