"""What a model says of itself."""

from __future__ import annotations

import pytest
from helpers import counts_adata

from lowdepth.model import JointEmbedding


@pytest.fixture
def model():
    adata = counts_adata()
    JointEmbedding.setup_anndata(adata)
    return JointEmbedding(adata, preset="paper", n_latent=3)


def test_text_names_preset_settings_and_cells(model, capsys):
    text = repr(model)
    assert text.startswith("JointEmbedding model, preset 'paper', with ")
    assert "n_latent: 3" in text
    assert text.endswith("\nnot trained yet; 60 cells x 40 genes")
    assert capsys.readouterr().out == ""  # scvi-tools prints, and gives an empty text


def test_html_says_the_same(model):
    html = model._repr_html_()
    assert "<strong>JointEmbedding model, preset &#x27;paper&#x27;</strong>: not trained yet; 60 cells" in html
    assert "n_latent: 3" in html


def test_epochs_are_told_after_training(model):
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    assert repr(model).endswith("\ntrained for 1 epochs; 60 cells x 40 genes")
