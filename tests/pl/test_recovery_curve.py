"""Recovery curves point by point."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged
from matplotlib.colors import same_color

import lowdepth as ld


def lines_of(ax):
    return {line.get_label(): line for line in ax.lines}


def test_one_curve_for_each_model(scored):
    ax = ld.pl.recovery_curve(scored, palette=["red", "blue"], names={"paper": "joint embedding"})
    lines = lines_of(ax)
    assert list(lines) == ["joint embedding", "denoise"]
    assert lines["denoise"].get_xdata().tolist() == [30, 100, 1000]
    assert lines["denoise"].get_ydata().tolist() == [0.4, 0.7, 0.9]
    assert same_color(lines["joint embedding"].get_color(), "red")
    assert ax.get_xscale() == "log"
    bands = ax.collections
    np.testing.assert_allclose(bands[0].get_datalim(ax.transData).intervaly, [0.2, 0.7])


def test_balanced_accuracy_of_one_model(scored):
    ax = ld.pl.recovery_curve(scored, metric="balanced_accuracy", model="paper")
    assert {name: line.get_ydata().tolist() for name, line in lines_of(ax).items()} == {"paper": [0.2, 0.4, 0.6]}


@pytest.mark.parametrize(("model", "expected"), [(None, [0.3, 0.6, 0.8]), ("paper", [0.2, 0.4, 0.6])])
def test_recall_has_one_curve_for_each_type(scored, model, expected):
    lines = lines_of(ld.pl.recovery_curve(scored, metric="recall", model=model))
    assert list(lines) == ["B cell", "T cell"]
    assert lines["T cell"].get_ydata().tolist() == expected
    assert len({line.get_marker() for line in lines.values()}) == 2


@pytest.mark.parametrize(("cutoff", "n_lines"), [(80.0, 4), (np.inf, 3)])
def test_the_cutoff_is_drawn_where_there_is_one(scored, cutoff, n_lines):
    record = scored.uns["recovery_curve"]
    record["params"]["target"] = 0.6
    record["cutoffs"] = pd.DataFrame({"label": ["all cells"], "cutoff": cutoff, "cutoff_low": 50, "cutoff_high": 90})
    ax = ld.pl.recovery_curve(scored)
    assert len(ax.lines) == n_lines
    assert lines_of(ax)["target"].get_ydata() == [0.6, 0.6]
    if n_lines == 4:
        assert lines_of(ax)["cutoff, 80 UMIs"].get_xdata() == [80, 80]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"key": "curve"}, KeyError, r"run `ld.tl.recovery_curve\(adata, model, label_key\)` first"),
        ({"key": "label_transfer"}, KeyError, "holds no 'overall'"),
        ({"metric": "f1"}, ValueError, "no metric 'f1'"),
        ({"model": "scvi"}, ValueError, "no model 'scvi'"),
        ({"palette": ["red"]}, ValueError, "1 colours for 2 categories"),
    ],
)
def test_bad_options(scored, options, error, match):
    with assert_unchanged(scored), pytest.raises(error, match=match):
        ld.pl.recovery_curve(scored, **options)
