"""Numbers out of range and unknown choices are named."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from helpers import assert_unchanged, counts_adata

import lowdepth as ld
from lowdepth import _checks


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number$"):
        _checks.finite("x", value)
    with pytest.raises(ValueError, match=rf"`x={value}`: it has to be a finite number of at least 0"):
        _checks.at_least("x", value, 0)


def test_bounds_are_included():
    _checks.at_least("x", 0, 0)
    _checks.finite("x", -1e300)
    with pytest.raises(ValueError, match=r"`x=-0\.1`"):
        _checks.at_least("x", -0.1, 0)


def test_choices():
    _checks.one_of("preset", "paper", ["paper", "scvi"])
    with pytest.raises(ValueError, match=r"there is no preset 'papper' in the choices .*did you mean 'paper'\?"):
        _checks.one_of("preset", "papper", ["paper", "scvi"])


def test_halves_are_no_whole_numbers():
    for value in (2, np.int64(3)):
        _checks.whole("x", value, 2)
    with pytest.raises(ValueError, match=r"`x=2\.5`: it has to be a whole number"):
        _checks.whole("x", 2.5, 2)
    with pytest.raises(ValueError, match=r"`x=nan`: it has to be a finite number of at least 2"):
        _checks.whole("x", np.nan, 2)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (ld.tl.joint_embedding, {"n_latent": 8.5}),
        (ld.tl.joint_embedding, {"batch_size": 64.5}),
        (partial(ld.tl.umap, use_rep="X_joint_embedding"), {"n_neighbors": 8.5}),
        (partial(ld.tl.depth_leakage, use_rep="X_joint_embedding"), {"n_clusters": 8.5}),
        (ld.pl.umi_histogram, {"n_bins": 8.5}),
    ],
)
def test_numbers_of_things_are_whole(function, options):
    adata = counts_adata()
    ld.pp.depth_metrics(adata)
    adata.obsm["X_joint_embedding"] = np.random.default_rng(0).normal(size=(60, 2))
    (name,) = options
    with assert_unchanged(adata), pytest.raises(ValueError, match=rf"`{name}=\d+\.5`: it has to be a whole number"):
        function(adata, **options)
