"""Comparisons dot by dot."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_unchanged
from matplotlib.colors import same_color

import lowdepth as ld


def test_a_dot_for_each_seed_and_a_line_at_their_mean(scored):
    ax = ld.pl.compare(scored, names={"pca": "PCA"}, palette=["red", "blue"])
    accuracy, means, balanced, balanced_means = ax.collections
    assert sorted(accuracy.get_offsets()[:, 0]) == [0.3, 0.4, 0.8, 0.9]
    assert sorted(balanced.get_offsets()[:, 0]) == [0.2, 0.3, 0.6, 0.8]
    np.testing.assert_allclose([line[0, 0] for line in means.get_segments()], [0.35, 0.85])
    np.testing.assert_allclose([line[0, 0] for line in balanced_means.get_segments()], [0.25, 0.7])
    assert same_color(accuracy.get_facecolor()[0, :3], "red")
    # the dots of a method lie within its row
    rows = accuracy.get_offsets()[:, 1].round()
    assert {(0.3, 0), (0.9, 1)} <= set(zip(accuracy.get_offsets()[:, 0], rows, strict=True))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["PCA\n(0.52 s)", "denoise\n(1,234 s)"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["accuracy", "balanced accuracy"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"key": "table"}, KeyError, r"run `ld.tl.compare\(adata, label_key\)` first"),
        ({"palette": ["red"]}, ValueError, "1 colours for 2 categories"),
    ],
)
def test_bad_options(scored, options, error, match):
    with assert_unchanged(scored), pytest.raises(error, match=match):
        ld.pl.compare(scored, **options)
