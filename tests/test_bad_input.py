"""Each public function, given what is broken in each way that concerns it: one clear error, the data as they were."""

from __future__ import annotations

import inspect
import re
import warnings

import pytest
from bad_input.breakages import BREAKAGES, Given
from bad_input.outcomes import GROUPS, OUTCOMES, Refused, outcome
from finished_cells import ARGUMENTS, WITH_MODEL, call, cells, function
from helpers import assert_unchanged
from test_public_api import FUNCTIONS, ON_ADATA

RECORDS = {
    "tl.prediction_sets": "label_transfer",
    "pl.calibration": "label_transfer",
    "pl.compare": "compare",
    "pl.depth_leakage": "depth_leakage",
    "pl.label_recovery": "label_transfer_score",
    "pl.recovery_curve": "recovery_curve",
    "pl.thinning_paths": "thinning_stability",
    "pl.training": "joint_embedding",
}
"""What earlier steps have left for a function in ``uns``."""

OTHERWISE = {
    "tl.label_transfer": {"latent", "depths"},
    "tl.label_transfer by votes": {"counts", "model"},
    "tl.map_query": {"latent", "depths"},
}
"""What one of a function's two ways of use does not read."""

PARAMETERS = {
    "counts": {"layer"},
    "model": {"model"},
    "labels": {"label_key", "color", "groupby"},
    "batch": {"batch_key", "sample_key"},
    "latent": {"use_rep", "basis"},
    "cutoff": {"low_umi"},
    "record": {"key"},
}
"""The parameters of a function that tell what it reads."""

ALWAYS_WARNS = {"tl.recommend_cutoff": "There are only .* deep cells with a type"}


def parameters(name):
    return inspect.signature(function(name)).parameters


def reads(name):
    """Tell what a function reads, by its parameters and by the errors that its docstring lists."""
    traits = {trait for trait, names in PARAMETERS.items() if names & set(parameters(name))}
    raises = inspect.getdoc(function(name)).partition("Raises\n---")[2].partition("Examples\n---")[0]
    if re.search(r'obs\["(total|log10)_umi"\]', raises):
        traits.add("depths")
    traits |= {"counts"} if name in WITH_MODEL else set()
    traits |= {"record"} if name in RECORDS else set()
    traits -= {"model"} if name not in WITH_MODEL else set()
    return traits - OTHERWISE.get(name, set())


CASES = [
    pytest.param(name, breakage, spoil, id=f"{name}-{breakage}")
    for name in ARGUMENTS
    for trait in reads(name)
    for breakage, spoil in BREAKAGES[trait].items()
]


def test_each_public_function_is_here():
    # what takes no cells is given bad input in tests/datasets; pbmc3k takes nothing
    assert FUNCTIONS.keys() - ON_ADATA.keys() == {"datasets.gse310923_pbmc", "datasets.pbmc3k", "datasets.simulate"}
    assert {name.partition(" ")[0] for name in ARGUMENTS} == {*ON_ADATA, "model.JointEmbedding.setup_anndata"}


def test_each_row_concerns_somebody():
    known = {breakage: trait for trait, rows in BREAKAGES.items() for breakage in rows}
    assert known.keys() == OUTCOMES.keys()
    for breakage, rows in OUTCOMES.items():
        concerned = {name for name in ARGUMENTS if known[breakage] in reads(name)}
        assert [who for who in rows if not GROUPS.get(who, {who}) & concerned] == []


def options_of(name, given):
    """Give the options their names in this function."""
    names = {"LABEL": PARAMETERS["labels"], "BATCH": PARAMETERS["batch"]}
    own = set(parameters(name))
    return {next(iter(names.get(option, {option}) & own)): value for option, value in given.options.items()}


@pytest.mark.parametrize(("name", "breakage", "spoil"), CASES)
def test_bad_input(name, breakage, spoil, tmp_path):
    expected = outcome(breakage, name)
    assert expected is not None, f"say in tests/bad_input/outcomes.py what {name} does with {breakage}"
    given = Given(*cells(), path=tmp_path / "cells.h5ad", record_key=RECORDS.get(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spoil(given)
    options = options_of(name, given) | ({"path": tmp_path / "page.html"} if name == "report" else {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(expected, Refused):
            with assert_unchanged(given.adata), pytest.raises(expected.error, match=expected.message):
                call(name, given.adata, given.model, **options)
            assert not (tmp_path / "page.html").exists()
        else:
            call(name, given.adata, given.model, **options)
    if given.adata.isbacked:
        given.adata.file.close()
    said = [str(one.message) for one in caught if one.category is UserWarning]
    unsaid = [text for text in said if not re.search(ALWAYS_WARNS.get(name, "$^"), text)]
    if not isinstance(expected, Refused):
        patterns = [expected.warning] if expected.warning else []
        assert [text for text in unsaid if not any(re.search(pattern, text) for pattern in patterns)] == []
        assert bool(unsaid) == bool(patterns) or not expected.always
