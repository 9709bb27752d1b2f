"""What is kept of a training is the average of its weights, later ones weighing more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import counts_adata
from lightning.pytorch import Callback

import lowdepth as ld
from lowdepth.model._average import SHARPNESS, STEPS_APART, _power_average
from lowdepth.model._seed import seeded

TRAINING = {"max_epochs": 6, "batch_size": 16, "accelerator": "cpu", "enable_progress_bar": False}


class Recorder(Callback):
    """Keeps the weights after each step."""

    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.states.append({name: value.clone() for name, value in pl_module.module.state_dict().items()})


def trained(**settings):
    adata = counts_adata(80)
    recorder = Recorder()
    with seeded(0):
        ld.model.JointEmbedding.setup_anndata(adata)
        model = ld.model.JointEmbedding(adata, n_latent=4, **settings)
        model.train(**TRAINING, callbacks=[recorder])
    return model, recorder.states


@pytest.mark.parametrize("n_states", [1, 2, 7, 100])
def test_weights_of_the_states_are_a_power_of_their_number(n_states):
    states = torch.randn(n_states, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(n_states))
    average = torch.zeros(3, dtype=torch.float64)
    for n_averaged, state in enumerate(states):
        average = _power_average(average, state, torch.tensor(n_averaged))
    shares = [
        (1 - (1 - 1 / t) ** (SHARPNESS + 1))
        * np.prod([(1 - 1 / s) ** (SHARPNESS + 1) for s in range(t + 1, n_states + 1)])
        for t in range(1, n_states + 1)
    ]
    assert sum(shares) == pytest.approx(1)
    np.testing.assert_allclose(average, np.array(shares) @ states.numpy(), rtol=1e-5, atol=1e-6)


def test_model_is_the_average_of_its_training():
    model, states = trained()
    assert len(states) == TRAINING["max_epochs"] * 80 / TRAINING["batch_size"]
    expected = states[0]
    for n_averaged, state in enumerate(states[::STEPS_APART]):
        expected = {
            name: _power_average(expected[name].double(), value.double(), torch.tensor(n_averaged))
            for name, value in state.items()
        }
    for name, value in model.module.state_dict().items():
        if value.is_floating_point():  # batch norm counts its minibatches too
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("settings", [{"average_weights": False}, {"preset": "paper"}, {"preset": "scvi"}], ids=str)
def test_published_models_end_where_they_are(settings):
    model, states = trained(**settings)
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, states[-1][name]), name


def test_loaded_model_goes_on_averaging(tmp_path):
    model, _ = trained()
    model.save(tmp_path / "model", save_anndata=True)
    assert ld.model.JointEmbedding.load(tmp_path / "model").average_weights
