"""The rule for the number of epochs."""

from __future__ import annotations

from math import ceil
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowdepth.model._schedule import TutorialSteps, epochs_for


@pytest.mark.parametrize(("n_obs", "epochs"), [(48_074, 25), (11_643, 100), (2_300, 400), (1_000_000, 25), (2, 400)])
def test_known_sizes(n_obs, epochs):
    assert epochs_for(n_obs, 512) == epochs


@given(n_obs=st.integers(2, 10**6), batch_size=st.integers(2, 10**4))
def test_as_many_steps_as_the_tutorial_where_the_bounds_allow(n_obs, batch_size):
    epochs, steps = epochs_for(n_obs, batch_size), ceil(n_obs / batch_size)
    assert 25 <= epochs <= 400
    assert epochs * steps >= 2300 or epochs == 400
    assert (epochs - 1) * steps < 2300 or epochs == 25


@pytest.mark.parametrize(("n_ranks", "epochs"), [(1, 100), (4, 384)])
def test_devices_make_steps_together(n_ranks, epochs):
    trainer = SimpleNamespace(world_size=n_ranks, fit_loop=SimpleNamespace(max_epochs=0))
    TutorialSteps(11_643, 512).setup(trainer, None, "fit")
    assert trainer.fit_loop.max_epochs == epochs == epochs_for(11_643, 512 * n_ranks)
