"""Recall bar by bar."""

from __future__ import annotations

from itertools import pairwise

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.container import BarContainer

import lowdepth as ld
from lowdepth.pl._label_recovery import _label_recovery_data
from lowdepth.pl._palette import COLORS

SORTED = ["B cell", "T cell", "NK cell"]
RECALL = {"X_scvi": [0.2, 0.6, 0.5], "X_joint_embedding": [0.75, 0.5, 0.25]}


def bars(ax):
    """Give each representation's bars from top to bottom."""
    containers = [container for container in ax.containers if isinstance(container, BarContainer)]
    return [sorted(container, key=lambda bar: bar.get_y()) for container in containers]


def test_data_is_sorted_by_the_last_representation(scored):
    data = _label_recovery_data(scored.uns["label_transfer_score"])
    assert data.drop_duplicates("rank")["label"].tolist() == SORTED
    for rep, recall in RECALL.items():
        assert data.loc[data["representation"] == rep, "recall"].tolist() == recall


def test_types_without_a_shallow_cell_are_left_out(scored):
    score = scored.uns["label_transfer_score"]
    score["per_type"].loc[score["per_type"]["label"] == "T cell", "n"] = 0
    assert set(_label_recovery_data(score)["label"]) == {"B cell", "NK cell"}


def test_bars_are_paired_and_as_long_as_the_recall(scored):
    ax = ld.pl.label_recovery(scored)
    scvi, joint = bars(ax)
    assert [bar.get_width() for bar in scvi] == RECALL["X_scvi"]
    assert [bar.get_width() for bar in joint] == RECALL["X_joint_embedding"]
    for row, (upper, lower) in enumerate(zip(scvi, joint, strict=True)):
        assert upper.get_y() + upper.get_height() == pytest.approx(row) == pytest.approx(lower.get_y())


def test_the_best_type_is_on_top(scored):
    ax = ld.pl.label_recovery(scored)
    bottom, top = ax.get_ylim()
    assert bottom > top
    labels = [label.get_text().replace("\u00a0", " ") for label in ax.get_yticklabels()]
    assert labels == ["B cell (n = 40)", "T cell (n = 7)", "NK cell (n = 1,200)"]


def test_whiskers_span_the_interval(scored):
    ax = ld.pl.label_recovery(scored)
    spans = np.array([[segment[:, 0] for segment in lines.get_segments()] for lines in ax.collections])
    recall = np.array(list(RECALL.values()))
    np.testing.assert_allclose(spans, np.stack([recall - 0.1, recall + 0.2], axis=-1))


def test_the_legend_gives_the_balanced_accuracy(scored):
    ax = ld.pl.label_recovery(scored, names={"X_scvi": "scVI"})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "scVI (balanced accuracy 0.430)",
        "joint_embedding (balanced accuracy 0.505)",
    ]
    assert ax.get_xlabel() == "recall among cells below 1,000 UMIs"
    assert ax.get_xlim() == (0, 1)


@pytest.mark.parametrize(
    ("palette", "expected"),
    [
        (None, COLORS[:2]),
        (["red", "blue"], ["red", "blue"]),
        ({"X_joint_embedding": "blue", "X_scvi": "red"}, ["red", "blue"]),
    ],
)
def test_palette(palette, expected, scored):
    drawn = [container[0].get_facecolor() for container in bars(ld.pl.label_recovery(scored, palette=palette))]
    assert all(map(same_color, drawn, expected))


def test_one_representation_and_one_type(scored):
    score = scored.uns["label_transfer_score"]
    score["params"]["use_rep"] = np.array(["X_scvi"])
    score["per_type"] = score["per_type"].iloc[:1]
    ((bar,),) = bars(ld.pl.label_recovery(scored))
    assert bar.get_width() == 0.2
    assert bar.get_y() + bar.get_height() / 2 == pytest.approx(0)


@pytest.mark.parametrize("n_reps", [1, 2, 3])
def test_long_names_do_not_touch_each_other(n_reps, scored):
    score = scored.uns["label_transfer_score"]
    reps = [f"X_{i}" for i in range(n_reps)]
    names = [f"CD8+ effector memory T cells of donor group {i}, CD45RA re-expressing" for i in range(25)]
    rows = [{"representation": rep, "label": name, "recall": 0.5, "n": 10} for rep in reps for name in names]
    score["params"]["use_rep"] = np.array(reps)
    score["overall"] = pd.DataFrame({"balanced_accuracy": 0.5}, index=reps)
    score["per_type"] = pd.DataFrame(rows).assign(recall_low=0.4, recall_high=0.6)
    ax = ld.pl.label_recovery(scored)
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    assert ax.get_window_extent().width / ax.figure.dpi > 3


def test_a_renamed_score_that_was_written_and_read(scored, tmp_path):
    scored.uns["renamed"] = scored.uns.pop("label_transfer_score")
    scored.write_h5ad(tmp_path / "scored.h5ad")
    scvi, _ = bars(ld.pl.label_recovery(ad.read_h5ad(tmp_path / "scored.h5ad"), key="renamed"))
    assert [bar.get_width() for bar in scvi] == RECALL["X_scvi"]


def test_no_score(adata):
    with pytest.raises(KeyError, match=r"'label_transfer_score'.*run `ld.tl.label_transfer_score\(adata, label_key"):
        ld.pl.label_recovery(adata)
    assert plt.get_fignums() == []


def test_drawing_writes_nothing(scored):
    keys = set(scored.uns)
    ld.pl.label_recovery(scored)
    assert set(scored.uns) == keys
