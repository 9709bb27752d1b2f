"""What the encoder is shown, and that views can share a minibatch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import counts_adata
from scvi.nn import Encoder

from lowdepth.model._encode import EncoderInput, encode, encoder_input
from lowdepth.model.engine import take_rows

N_OBS, N_VARS = 20, 40


@pytest.fixture
def counts():
    return take_rows(counts_adata(N_OBS, N_VARS).X, np.arange(N_OBS))


def shown_to_the_encoder(counts, values, kind):
    shown = encoder_input(counts, values[None], kind)
    dense = counts.dense(shown.values[0])
    return dense if shown.factor is None else dense * shown.factor[0][:, None]


def test_direction_is_that_of_log1p_and_has_one_length(counts):
    shown = shown_to_the_encoder(counts, counts.values, "direction")
    logged = shown_to_the_encoder(counts, counts.values, "log1p")
    torch.testing.assert_close(logged, counts.dense().log1p())
    torch.testing.assert_close(shown.norm(dim=1), torch.full((N_OBS,), N_VARS**0.5))
    torch.testing.assert_close(torch.cosine_similarity(shown, logged), torch.ones(N_OBS))


def test_a_view_that_lost_all_its_umis_stays_finite(counts):
    shown = shown_to_the_encoder(counts, torch.zeros_like(counts.values), "direction")
    assert (shown == 0).all()


@pytest.mark.parametrize("n_layers", [1, 2])
def test_encoder_is_scvi_tools_own(counts, n_layers):
    encoder = Encoder(N_VARS, 5, n_layers=n_layers, n_hidden=8, return_dist=True).eval()
    views = torch.stack([counts.values.log1p(), counts.values.sqrt()])
    factor = torch.rand(2, N_OBS)
    shown = EncoderInput(views, factor)
    for together in (False, True):
        for view, f, (posterior, _) in zip(
            views, factor, encode(encoder, counts, shown, together=together), strict=True
        ):
            expected, _ = encoder(counts.dense(view) * f[:, None])
            torch.testing.assert_close(posterior.loc, expected.loc, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(posterior.scale, expected.scale, rtol=1e-4, atol=1e-5)


def test_views_together_are_one_minibatch_for_batch_norm(counts):
    views = torch.stack([counts.values.log1p(), counts.values.sqrt()])
    encoder = Encoder(N_VARS, 5, n_hidden=8, dropout_rate=0.0, return_dist=True)
    together = torch.cat(
        [posterior.loc for posterior, _ in encode(encoder, counts, EncoderInput(views), together=True)]
    )
    expected, _ = encoder(torch.cat([counts.dense(view) for view in views]))
    torch.testing.assert_close(together, expected.loc, rtol=1e-4, atol=1e-5)
