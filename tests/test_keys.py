"""Whatever name a result gets, all of its slots bear it, and none is written twice."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from inspect import signature

import pytest
from finished_cells import ARGUMENTS, call, cells, function
from helpers import assert_unchanged
from hypothesis import example, given
from hypothesis import strategies as st

from lowdepth import _keys
from lowdepth.model import JointEmbedding

KINDS = {name: kind for name, kind in vars(_keys).items() if is_dataclass(kind) and fields(kind)}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)


def slots(keys):
    """Read every name of a key class, in the order in which they stand there."""
    named = [field.name for field in fields(keys)]
    computed = [name for name, value in vars(type(keys)).items() if isinstance(value, property)]
    return {name: getattr(keys, name) for name in named + computed}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if len(fields(kind)) == 1])
@given(added=NAMES)
@example(added="X_0")
def test_all_slots_bear_the_name(name, added):
    found = slots(KINDS[name](added))
    assert all(slot.startswith((added, added.removeprefix("X_"))) for slot in found.values())
    per_cell = [slot for place, slot in found.items() if place not in {"uns", "obsm"}]
    assert len(set(per_cell)) == len(per_cell)


def test_no_two_functions_write_one_record():
    records = [
        slots(kind())["uns"] for name, kind in KINDS.items() if name not in {"EmbeddingKeys", "PredictionSetKeys"}
    ]
    assert len(set(records)) == len(records)


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if "key_added" in signature(function(name)).parameters])
def test_a_name_that_no_file_can_hold_is_refused(name):
    adata, model = cells()
    with assert_unchanged(adata), pytest.raises(ValueError, match=r"'a/b' cannot be the name .* without"):
        call(name, adata, model, key_added="a/b")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("tl.label_transfer", "key_added"),
        ("tl.label_transfer by votes", "key_added"),
        ("tl.map_query", "transfer"),
        ("tl.prediction_sets", "key_added"),
        ("tl.recommend_cutoff", "key_added"),
        ("tl.thinning_stability", "key_added"),
    ],
)
def test_a_column_of_the_user_s_is_not_written_over(name, argument):
    adata, model = cells()
    refused = pytest.raises(ValueError, match=rf"adata.obs\['group'\] is there already.* pass another `{argument}`")
    with assert_unchanged(adata), refused:
        call(name, adata, model, **{argument: "group"})


@pytest.mark.parametrize(
    "name", ["tl.label_transfer", "tl.prediction_sets", "tl.recommend_cutoff", "tl.thinning_stability"]
)
def test_nor_are_scanpy_s_clusters(name):
    adata, model = cells()
    adata.uns["group"] = {"params": {"resolution": 1.0}}  # as sc.tl.leiden records them
    with assert_unchanged(adata), pytest.raises(ValueError, match=r"adata.obs\['group'\] is there already"):
        call(name, adata, model, key_added="group")


@pytest.mark.parametrize("keys_added", [("a/b", "c"), ("c", "a/b")])
def test_a_fold_too(keys_added):
    adata, model = cells()
    with assert_unchanged(adata), pytest.raises(ValueError, match="'a/b' cannot be the name"):
        call("pp.split_counts", adata, model, keys_added=keys_added)


def test_nothing_is_trained_for_a_name_that_no_file_can_hold(monkeypatch):
    adata, model = cells()
    monkeypatch.setattr(JointEmbedding, "train", lambda *_, **__: pytest.fail("it was trained"))
    for name in ("tl.joint_embedding", "tl.compare"):
        with pytest.raises(ValueError, match="'a/b' cannot be the name"):
            call(name, adata, model, key_added="a/b", **({"methods": ["scvi"]} if name == "tl.compare" else {}))
