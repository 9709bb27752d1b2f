"""An interrupt in a notebook keeps what was learnt; elsewhere it ends the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from unittest.mock import patch

import numpy as np
import pytest
from helpers import assert_unchanged, counts_adata

import lowdepth as ld
from lowdepth.model._interrupt import StopOnInterrupt
from lowdepth.model._module import JointEmbeddingModule

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a process cannot interrupt itself there"),
    pytest.mark.filterwarnings("ignore:.*KeyboardInterrupt, attempting graceful shutdown"),
]
FAST = {"batch_size": 32, "n_latent": 4, "progress_bar": False, "low_umi": 100, "accelerator": "cpu"}


@pytest.fixture(autouse=True)
def _handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores interrupts
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def notebook(monkeypatch):
    """Say what an interactive session says."""
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)


def interrupted(*steps):
    """Press stop in these steps of a training."""
    forward, n_steps = JointEmbeddingModule.forward, 0

    def stopped(module, *tensors, **options):
        nonlocal n_steps
        if module.training:
            n_steps += 1
            for _ in range(steps.count(n_steps)):
                os.kill(os.getpid(), signal.SIGINT)
        return forward(module, *tensors, **options)

    return patch.object(JointEmbeddingModule, "forward", stopped)


@pytest.mark.usefixtures("notebook")
@pytest.mark.parametrize(("step", "epochs"), [(1, 1), (5, 2)])
def test_what_was_learnt_is_kept(step, epochs, caplog):
    adata = counts_adata(96)
    with interrupted(step):
        model = ld.tl.joint_embedding(adata, max_epochs=7, refine=True, **FAST)
    assert f"training was interrupted after step {step} (epoch {epochs} of 7)" in caplog.text
    assert model.interrupted
    assert adata.uns["joint_embedding"]["interrupted"]
    assert adata.uns["joint_embedding"]["params"]["max_epochs"] == epochs
    assert model.trainer.global_step == step
    assert np.isfinite(adata.obsm["X_joint_embedding_refined"]).all()
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    assert not model.interrupted


@pytest.mark.usefixtures("notebook")
def test_the_weights_are_those_of_a_training_that_ends_there():
    stopped, planned = counts_adata(96), counts_adata(96)
    with interrupted(6):
        ld.tl.joint_embedding(stopped, max_epochs=7, **FAST)
    ld.tl.joint_embedding(planned, max_epochs=2, **FAST)
    np.testing.assert_array_equal(stopped.obsm["X_joint_embedding"], planned.obsm["X_joint_embedding"])


@pytest.mark.usefixtures("notebook")
def test_a_second_interrupt_gives_the_training_up():
    adata = counts_adata(96)
    with assert_unchanged(adata), interrupted(2, 2), pytest.raises(KeyboardInterrupt):
        ld.tl.joint_embedding(adata, max_epochs=3, **FAST)
    ld.tl.joint_embedding(adata, max_epochs=1, **FAST)
    assert not adata.uns["joint_embedding"]["interrupted"]


def test_a_script_is_ended():
    adata = counts_adata(96)
    with assert_unchanged(adata), interrupted(2), pytest.raises(KeyboardInterrupt):
        ld.tl.joint_embedding(adata, max_epochs=3, **FAST)


@pytest.mark.usefixtures("notebook")
def test_only_the_main_thread_listens():
    heard = []

    def listen():
        with StopOnInterrupt().listening():
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert heard == [signal.default_int_handler]


def test_an_exit_that_is_no_interrupt_stays_one():
    with pytest.raises(SystemExit), StopOnInterrupt().listening():
        sys.exit(3)
