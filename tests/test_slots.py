"""Each public function writes the slots that its docstring names and no other, and what it writes survives a file.

Then any of them, one after the other, on whole cells and on views; longer with ``--hypothesis-profile fuzz``.
"""

from __future__ import annotations

import random
import warnings

import anndata as ad
import h5py
import numpy as np
import pytest
import torch
import zarr
from finished_cells import ARGUMENTS, call, cells, function
from helpers import counts_adata
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from slots import IDENTIFIERS, changed, documented, slots
from test_public_api import parameters_of
from test_run_again import assert_equal

IN_A_SEQUENCE = [name for name in ARGUMENTS if name.startswith(("pp.", "tl.", "pl.embedding"))]


WITH_COPY = [name for name in IN_A_SEQUENCE if "copy" in parameters_of(function(name))]


def random_states():
    _, numpy_state, *position = np.random.get_state()  # noqa: NPY002
    return numpy_state.tobytes(), position, random.getstate(), torch.get_rng_state().numpy().tobytes()


def run(name, adata, model, **options):
    """Call a function; give the cells that it has written into, and what it returns."""
    states = random_states()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few cells, and of views
        result = call(name, adata, model, **options)
    assert random_states() == states
    if not options.get("copy"):
        return adata, result
    return (result.adata if name == "tl.joint_embedding" else result), result


def check_written(name, before, after):
    always, sometimes = documented(name)
    written = slots(after)
    left = before[after.obs_names].copy()  # which lack the categories of the cells that are gone
    unforeseen = changed(slots(before), written) & changed(slots(left), written) - always - sometimes
    assert not unforeseen, [(slot, values(left, slot), values(after, slot)) for slot in sorted(unforeseen)]
    assert always <= written.keys()
    for slot in (always | sometimes) & written.keys():
        assert_survives(after, slot)


def values(adata, slot):
    place, _, key = slot.partition("/")
    return adata.X if place == "X" else getattr(adata, place).get(key)


def assert_survives(adata, slot):
    """Write a slot as anndata does into both kinds of files, and read it."""
    value = values(adata, slot)
    stored = value.to_frame() if slot.startswith("obs/") else value
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        for store in (file, zarr.open_group(zarr.storage.MemoryStore(), mode="w")):
            ad.io.write_elem(store, "value", stored)
            assert_equal(ad.io.read_elem(store["value"]), stored)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_documented_slots_are_written_and_no_others(name, tmp_path):
    adata, model = cells()
    for slot in set.union(*documented(name)) - {"X"}:  # those of an earlier run
        place, key = slot.split("/")
        if key in getattr(adata, place):
            del getattr(adata, place)[key]
    before = adata.copy()
    options = {"path": tmp_path / "page.html"} if name == "report" else {}
    check_written(name, before, run(name, adata, model, **options)[0])


@settings(
    max_examples=settings.default.max_examples // 20,
    stateful_step_count=8,
    phases=set(settings.default.phases) - {Phase.shrink},  # each try costs seconds
)
class Sequences(RuleBasedStateMachine):
    """Any functions, one after the other; some are refused, and then nothing has happened."""

    @initialize(finished=st.booleans())
    def take_cells(self, finished):
        self.adata, self.model = cells()
        if not finished:
            self.adata = counts_adata()

    @rule(name=st.sampled_from(IN_A_SEQUENCE))
    def write_in_place(self, name):
        self.step(name)

    @rule(name=st.sampled_from(WITH_COPY))
    def write_into_a_copy(self, name):
        with_copy = self.step(name, copy=True)
        if with_copy is not None:
            in_place = run(name, self.adata.copy(), self.model)[0]
            assert not changed(slots(with_copy), slots(in_place)) - IDENTIFIERS

    @precondition(lambda self: self.adata.n_obs > 40)
    @rule(first=st.integers(0, 3))
    def look_at_some_cells(self, first):
        self.adata = self.adata[np.arange(self.adata.n_obs) % 4 != first]

    def step(self, name, **options):
        before = self.adata.copy()
        try:
            after, result = run(name, self.adata, self.model, **options)
        except (KeyError, ValueError):
            assert not changed(slots(before), slots(self.adata.copy()))
            return None
        if options:
            assert not changed(slots(before), slots(self.adata.copy()))
        check_written(name, before, after)
        if name == "tl.joint_embedding":
            self.model = result
        return after


TestSequences = pytest.mark.xdist_group("umap")(Sequences.TestCase)
