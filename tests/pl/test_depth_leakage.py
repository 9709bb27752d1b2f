"""Depth leakage bar by bar."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_unchanged
from matplotlib.colors import same_color

import lowdepth as ld
from lowdepth.pl._depth_leakage import _depth_leakage_data


def test_longer_is_more_depth_in_every_row(scored):
    data = _depth_leakage_data(scored.uns["depth_leakage"])
    table = data.pivot(index="metric", columns="representation", values="leakage")
    expected = {"r2": [0.9, 0], "knn_mixing": [0.75, 0], "cluster_variance": [0.5, np.nan]}
    for figure, (scvi, joint) in expected.items():
        np.testing.assert_allclose(table.loc[figure, ["X_scvi", "X_joint_embedding"]].astype(float), [scvi, joint])
    assert data.drop_duplicates("row")["metric"].tolist() == ["r2", "knn_mixing", "cluster_variance"]


def test_bars_are_as_long_as_the_data(scored):
    ax = ld.pl.depth_leakage(scored, names={"X_scvi": "scVI"}, palette=["red", "blue"])
    widths = [[bar.get_width() for bar in container] for container in ax.containers]
    np.testing.assert_allclose(widths, [[0.9, 0.75, 0.5], [0, 0, np.nan]])
    assert all(same_color(bar.get_facecolor(), "red") for bar in ax.containers[0])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["scVI", "joint_embedding"]
    assert ax.get_xlim() == (0, 1)
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_figures_within_types_have_rows_where_they_were_measured(scored):
    overall = scored.uns["depth_leakage"]["overall"]
    overall["r2_within_type"], overall["knn_mixing_within_type"] = 0.5, 0.4
    ax = ld.pl.depth_leakage(scored)
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert len(ticks) == 5
    assert ticks[1] == ticks[3] == "the same within types"
    assert [bar.get_width() for bar in ax.containers[0]] == pytest.approx([0.9, 0.5, 0.75, 0.6, 0.5])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"key": "leak"}, KeyError, r"run `ld.tl.depth_leakage\(adata, use_rep\)` first"),
        ({"palette": ["red"]}, ValueError, "1 colours for 2 categories"),
    ],
)
def test_bad_options(scored, options, error, match):
    with assert_unchanged(scored), pytest.raises(error, match=match):
        ld.pl.depth_leakage(scored, **options)
