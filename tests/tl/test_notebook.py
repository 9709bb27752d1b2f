"""Results as a notebook shows them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lowdepth as ld
from lowdepth.tl._comparison._comparison import paired_differences, summarised
from lowdepth.tl._notebook import as_html, styled

EVIL = "CD8 <script>"


@pytest.fixture
def curve():
    table = pd.DataFrame({"model": [EVIL] * 2, "depth": [20.0, 1000.0], "accuracy": [0.25, 0.875], "n": [1234, 1234]})
    params = {"models": [EVIL], "label_key": EVIL}
    return ld.tl.RecoveryCurve(params=params, overall=table.astype({"model": "category"}), per_type=table)


def test_curve_shows_accuracy_by_depth(curve):
    html = curve._repr_html_()
    for text in ("1,234 deep cells", "20 UMIs", "1,000 UMIs", "0.250", "0.875"):
        assert text in html


def test_cutoff_shows_what_is_kept(curve):
    kept = pd.DataFrame({"group": ["type"], "name": [EVIL], "n": [1234], "keep": [34], "flag": [0], "drop": [1200]})
    cutoffs = {"label": [EVIL], "cutoff": [123.4], "cutoff_low": [100.0], "cutoff_high": [np.inf], "n": [40]}
    found = ld.tl.RecommendedCutoff(
        params={"target": 0.8, "low_umi": 1000.0}, cutoffs=pd.DataFrame(cutoffs), kept=kept, curve=curve
    )
    html = found._repr_html_()
    for text in ("80% of cells recognised from 123 UMIs on", "123.400", "1,234", "1,200"):
        assert text in html
    assert EVIL not in html


def test_comparison_shows_means_and_spreads():
    seeds = {"method": [EVIL, "b"] * 2, "seed": [0, 0, 1, 1], "accuracy": [0.5, 0.6, 0.7, 0.8]}
    same = {"balanced_accuracy": 0.4, "macro_f1": 0.3, "seconds": 1.5, "n_query": 1234}
    per_seed = pd.DataFrame(seeds | same).astype({"method": "category"})
    compared = ld.tl.Comparison(
        params={"label_key": "cell_type", "low_umi": 1000.0, "seeds": [0, 1]},
        per_seed=per_seed,
        overall=summarised(per_seed, [EVIL, "b"]),
        differences=paired_differences(per_seed, [EVIL, "b"], "b"),
        per_type=per_seed,
    )
    html = compared._repr_html_()
    for text in ("about 1,234 cells below 1,000 UMIs", "0.600 ± 0.141", "0.700 ± 0.141"):
        assert text in html
    assert EVIL not in html


def test_what_stands_in_a_table_is_text(curve):
    assert EVIL not in curve._repr_html_()
    assert EVIL not in as_html(EVIL, styled(pd.DataFrame({EVIL: [EVIL]}, index=[EVIL])), note=EVIL)


def test_missing_numbers_are_left_blank():
    assert "nan" not in as_html("", styled(pd.DataFrame({"x": [np.nan, 1.0]})))
