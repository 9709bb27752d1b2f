"""Loss curves point by point."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from helpers import assert_unchanged
from matplotlib.colors import same_color

import lowdepth as ld
from lowdepth.pl._training import _training_data

BOTH = ["joint_embedding", "scvi"]


def lines_of(ax):
    return {line.get_label(): line for line in ax.lines}


def test_a_solid_line_of_the_training_and_a_dashed_one_of_what_was_held_out(scored):
    lines = lines_of(ld.pl.training(scored))
    assert {name: line.get_xydata().tolist() for name, line in lines.items()} == {
        "joint_embedding": [[1, 9], [2, 5], [3, 4]],
        "joint_embedding, held out": [[2, 6], [3, 7]],
    }
    assert [line.get_linestyle() for line in lines.values()] == ["-", "--"]
    assert len({line.get_color() for line in lines.values()}) == 1


def test_data_has_no_point_where_there_was_no_validation(scored):
    data = _training_data(scored, ["joint_embedding"], "loss")
    assert data["part"].to_list() == ["training"] * 3 + ["validation"] * 2
    assert data["epoch"].to_list() == [1, 2, 3, 2, 3]


def test_several_embeddings_in_their_own_colours_and_names(scored):
    ax = ld.pl.training(
        scored,
        key=BOTH,
        metric="reconstruction",
        palette={"joint_embedding": "red", "scvi": "blue"},
        names={"scvi": "scVI"},
    )
    lines = lines_of(ax)
    assert {name: line.get_ydata().tolist() for name, line in lines.items()} == {
        "joint_embedding": [8, 4, 3],
        "scVI": [7, 6],
    }
    assert same_color(lines["scVI"].get_color(), "blue")
    assert ax.get_ylabel() == "negative log-likelihood per cell"


def test_an_embedding_without_the_figure_has_no_curve(scored):
    assert list(lines_of(ld.pl.training(scored, key=BOTH, metric="cross_correlation"))) == ["joint_embedding"]


def test_the_key_in_obsm_names_the_embedding_too(scored):
    assert list(lines_of(ld.pl.training(scored, key="X_scvi"))) == ["scvi"]


@pytest.mark.parametrize(("n_epochs", "marker"), [(1, "o"), (30, "o"), (31, "None")])
def test_few_epochs_have_dots(scored, n_epochs, marker):
    scored.uns["scvi"]["history"] = pd.DataFrame({"train_loss": range(n_epochs)})
    assert ld.pl.training(scored, key="scvi").lines[0].get_marker() == marker


def test_epochs_are_whole_numbers(scored):
    ax = ld.pl.training(scored, key="scvi")
    ax.figure.draw_without_rendering()
    assert all(tick == round(tick) for tick in ax.get_xticks())


def test_what_a_training_wrote_is_drawn():
    adata = ld.datasets.simulate(200, 300, rng=0)
    ld.tl.joint_embedding(adata, n_latent=8, max_epochs=2, low_umi=500, progress_bar=False)
    history = adata.uns["joint_embedding"]["history"]
    for metric, column in {
        "loss": "train_loss",
        "reconstruction": "reconstruction_loss_train",
        "kl": "kl_local_train",
        "cross_correlation": "cco_loss_train",
    }.items():
        line = ld.pl.training(adata, metric=metric).lines[0]
        assert line.get_ydata().tolist() == history[column].to_list()
        assert line.get_xdata().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"key": "paper"}, KeyError, r"\['paper'\] is missing.*joint_embedding\(adata, key_added='X_paper'\)"),
        ({"key": "label_transfer"}, KeyError, "holds no 'history'"),
        ({"metric": "elbow"}, ValueError, "no metric 'elbow'"),
        ({"key": "scvi", "metric": "kl"}, ValueError, "no training of scvi has `metric='kl'`; show another of loss"),
        ({"key": []}, ValueError, "`key` is empty"),
        ({"key": BOTH, "palette": ["red"]}, ValueError, "1 colours for 2 categories"),
    ],
)
def test_bad_options(scored, options, error, match):
    with assert_unchanged(scored), pytest.raises(error, match=match):
        ld.pl.training(scored, **options)
    assert plt.get_fignums() == []
