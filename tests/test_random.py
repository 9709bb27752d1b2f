"""Seeds in, streams out."""

from __future__ import annotations

import numpy as np
import pytest

from lowdepth._random import seed_record, stream_key


def test_keys_follow_the_seed():
    assert stream_key(3) == stream_key(np.int64(3)) == stream_key(np.random.default_rng(3))
    assert len({int(stream_key(seed)) for seed in range(1000)}) == 1000
    assert stream_key(None) != stream_key(None)
    assert stream_key(3).dtype == np.uint64


def test_keys_use_all_64_bits():
    keys = np.array([stream_key(seed) for seed in range(200)])
    bits = (keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert ((bits.mean(0) > 0.25) & (bits.mean(0) < 0.75)).all()


def test_a_generator_advances():
    generator = np.random.default_rng(3)
    assert stream_key(generator) != stream_key(generator)


def test_other_counts_other_key():
    assert stream_key(3, 1000) != stream_key(3, 999)
    assert stream_key(3, 1000) == stream_key(3, np.float64(1000))


@pytest.mark.parametrize(
    ("rng", "record"), [(7, {"rng": 7}), (np.int32(7), {"rng": 7}), (None, {}), (np.random.default_rng(7), {})]
)
def test_only_integer_seeds_are_recorded(rng, record):
    assert seed_record(rng) == record
    assert all(type(seed) is int for seed in seed_record(rng).values())
