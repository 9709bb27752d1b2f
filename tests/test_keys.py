"""Whatever name a result gets, all of its slots bear it, and none is written twice."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowdepth import _keys

KINDS = {name: kind for name, kind in vars(_keys).items() if is_dataclass(kind)}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)


def slots(keys):
    """Read every name of a key class, in the order in which they stand there."""
    named = [field.name for field in fields(keys)]
    computed = [name for name, value in vars(type(keys)).items() if isinstance(value, property)]
    return {name: getattr(keys, name) for name in named + computed}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if len(fields(kind)) == 1])
@given(added=NAMES)
def test_all_slots_bear_the_name(name, added):
    found = slots(KINDS[name](added))
    assert all(slot.startswith(added.removeprefix("X_")) or slot == added for slot in found.values())
    per_cell = [slot for place, slot in found.items() if place not in {"uns", "obsm"}]
    assert len(set(per_cell)) == len(per_cell)


def test_no_two_functions_write_one_record():
    records = [
        slots(kind())["uns"] for name, kind in KINDS.items() if name not in {"EmbeddingKeys", "PredictionSetKeys"}
    ]
    assert len(set(records)) == len(records)
