"""Options that functions cannot use, and bad counts in views and blocks; tests/test_bad_input.py has the rest."""

from __future__ import annotations

from functools import partial

import dask.array as da
import numpy as np
import pytest
from helpers import assert_unchanged, counts_adata

import lowdepth as ld

FUNCTIONS = {
    "thin_to_depth": partial(ld.pp.thin_to_depth, target_depth=30, rng=0),
    "emulate_low_depth": partial(ld.pp.emulate_low_depth, rng=0),
    "split_counts": partial(ld.pp.split_counts, rng=0),
    "depth_metrics": ld.pp.depth_metrics,
    "filter_low_umi": ld.pp.filter_low_umi,
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def holding(value):
    """Make dense counts with one bad value in the middle."""
    adata = counts_adata()
    adata.X = adata.X.toarray()
    adata.X[17, 23] = value
    return adata


@every_function
@pytest.mark.parametrize("value", [-2, np.nan, 2.5])
def test_bad_counts_in_a_dask_block(function, value):
    adata = counts_adata()
    adata.X = da.from_array(holding(value).X, chunks=(7, 13))
    with assert_unchanged(adata), pytest.raises(ValueError, match=rf"adata\.X holds .*{value}"):
        function(adata)


@every_function
def test_bad_counts_in_a_view(function):
    adata = holding(-1)
    view = adata[:, 5:]
    with assert_unchanged(adata), assert_unchanged(view), pytest.raises(ValueError, match="negative value"):
        function(view)


@every_function
def test_bad_counts_with_copy(function):
    adata = holding(-1)
    with assert_unchanged(adata), pytest.raises(ValueError, match="negative value"):
        function(adata, copy=True)


BAD_OPTIONS = {
    "target zero": (
        ld.pp.thin_to_depth,
        {"target_depth": 0},
        ValueError,
        r"`target_depth` holds 0\.0: depths are above zero; drop",
    ),
    "target negative": (ld.pp.thin_to_depth, {"target_depth": -5}, ValueError, r"`target_depth` holds -5\.0"),
    "target NaN": (ld.pp.thin_to_depth, {"target_depth": np.nan}, ValueError, r"`target_depth` holds nan"),
    "one target zero": (ld.pp.thin_to_depth, {"target_depth": np.arange(60)}, ValueError, r"`target_depth` holds 0\.0"),
    "too few targets": (
        ld.pp.thin_to_depth,
        {"target_depth": np.ones(59)},
        ValueError,
        r"`target_depth` has shape \(59,\); expected one number, or one for each of the 60 cells",
    ),
    "targets in a table": (
        ld.pp.thin_to_depth,
        {"target_depth": np.ones((60, 1))},
        ValueError,
        r"`target_depth` has shape \(60, 1\)",
    ),
    "no such target": (
        ld.pp.thin_to_depth,
        {"target_depth": "batsh"},
        KeyError,
        r"there is no column 'batsh' in adata\.obs \(present: 'cell_type', 'batch'\); did you mean 'batch'\?",
    ),
    "target of text": (
        ld.pp.thin_to_depth,
        {"target_depth": "batch"},
        ValueError,
        r"adata\.obs\['batch'\] holds something that is not a number: .*'b0'",
    ),
    "target None": (ld.pp.thin_to_depth, {"target_depth": [None] * 60}, ValueError, r"`target_depth` holds nan"),
    "mean NaN": (
        ld.pp.emulate_low_depth,
        {"log10_mean": np.nan},
        ValueError,
        r"`log10_mean=nan`: it has to be a finite number",
    ),
    "sd negative": (
        ld.pp.emulate_low_depth,
        {"log10_sd": -1},
        ValueError,
        r"`log10_sd=-1`: .* finite number of at least 0",
    ),
    "sd infinite": (
        ld.pp.emulate_low_depth,
        {"log10_sd": np.inf},
        ValueError,
        r"`log10_sd=inf`: .* finite number of at least 0",
    ),
    "floor NaN": (
        ld.pp.emulate_low_depth,
        {"min_umi": np.nan},
        ValueError,
        r"`min_umi=nan`: .* finite number of at least 0",
    ),
    "all dropped": (
        ld.pp.emulate_low_depth,
        {"min_umi": 10**6},
        ValueError,
        r"no cell keeps 1000000 UMIs: the deepest has \d+ left; lower `min_umi` or raise `log10_mean`",
    ),
    "fraction zero": (
        ld.pp.split_counts,
        {"fraction": 0},
        ValueError,
        r"`fraction=0`: it has to lie between 0 and 1, both excluded",
    ),
    "fraction one": (ld.pp.split_counts, {"fraction": 1}, ValueError, r"`fraction=1`"),
    "fraction above": (ld.pp.split_counts, {"fraction": 1.5}, ValueError, r"`fraction=1\.5`"),
    "fraction NaN": (ld.pp.split_counts, {"fraction": np.nan}, ValueError, r"`fraction=nan`"),
    "same key twice": (
        ld.pp.split_counts,
        {"keys_added": ("a", "a")},
        ValueError,
        r"`keys_added=\('a', 'a'\)`: expected two different names",
    ),
    "three keys": (ld.pp.split_counts, {"keys_added": ("a", "b", "c")}, ValueError, r"expected two different names"),
    "keys in one text": (
        ld.pp.split_counts,
        {"keys_added": "ab"},
        ValueError,
        r"`keys_added='ab'`: expected two different names",
    ),
    "overdispersion negative": (
        ld.pp.split_counts,
        {"overdispersion": np.full(40, -0.1)},
        ValueError,
        r"`overdispersion` holds -0\.1",
    ),
    "overdispersion NaN": (
        ld.pp.split_counts,
        {"overdispersion": np.full(40, np.nan)},
        ValueError,
        r"`overdispersion` holds nan",
    ),
    "overdispersion infinite": (
        ld.pp.split_counts,
        {"overdispersion": np.full(40, np.inf)},
        ValueError,
        r"`overdispersion` holds inf",
    ),
    "too many overdispersions": (
        ld.pp.split_counts,
        {"overdispersion": np.zeros(41)},
        ValueError,
        r"`overdispersion` has shape \(41,\); expected one number for each of the 40 genes",
    ),
    "no such overdispersion": (
        ld.pp.split_counts,
        {"overdispersion": "alpa"},
        KeyError,
        r"there is no column 'alpa' in adata\.var \(present: 'alpha', 'name'\); did you mean 'alpha'\?",
    ),
    "overdispersion of text": (
        ld.pp.split_counts,
        {"overdispersion": "name"},
        ValueError,
        r"adata\.var\['name'\] holds something that is not a number",
    ),
    "cutoff negative": (
        ld.pp.depth_metrics,
        {"low_umi": -1},
        ValueError,
        r"`low_umi=-1`: .* finite number of at least 0",
    ),
    "cutoff NaN": (
        ld.pp.depth_metrics,
        {"low_umi": np.nan},
        ValueError,
        r"`low_umi=nan`: .* finite number of at least 0",
    ),
    "filter negative": (
        ld.pp.filter_low_umi,
        {"min_umi": -1},
        ValueError,
        r"`min_umi=-1`: .* finite number of at least 0",
    ),
    "filter all": (
        ld.pp.filter_low_umi,
        {"min_umi": 10**6},
        ValueError,
        r"`min_umi=1000000` would drop every cell: the deepest has \d+ UMIs; lower it",
    ),
}


@pytest.mark.parametrize(("function", "options", "error", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_options(function, options, error, message):
    adata = counts_adata()
    adata.var["alpha"], adata.var["name"] = 0.1, "text"
    with assert_unchanged(adata), pytest.raises(error, match=message):
        function(adata, **options)
