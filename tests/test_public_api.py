"""What users see: names, signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import lowdepth as ld

ROOT = Path(__file__).parents[1]

NAMES = {
    "datasets": ["gse310923_pbmc", "pbmc3k", "simulate"],
    "model": ["JointEmbedding", "StoredCells"],
    "pl": [
        "calibration",
        "compare",
        "depth_leakage",
        "embedding",
        "label_recovery",
        "low_umi_overlay",
        "recovery_curve",
        "thinning_paths",
        "training",
        "umi_histogram",
    ],
    "pp": ["depth_metrics", "emulate_low_depth", "filter_low_umi", "split_counts", "thin_to_depth"],
    "tl": [
        "Comparison",
        "LabelTransferScore",
        "RecommendedCutoff",
        "RecoveryCurve",
        "bias_point",
        "compare",
        "depth_leakage",
        "joint_embedding",
        "label_transfer",
        "label_transfer_score",
        "map_query",
        "prediction_sets",
        "recommend_cutoff",
        "recovery_curve",
        "refine_low_umi",
        "thinning_stability",
        "tsne",
        "umap",
    ],
}
PUBLIC = {
    f"{part}.{name}": getattr(getattr(ld, part), name) for part in NAMES for name in getattr(ld, part).__all__
} | {"report": ld.report}
FUNCTIONS = {name: item for name, item in PUBLIC.items() if inspect.isfunction(item)}
ON_ADATA = {name: function for name, function in FUNCTIONS.items() if name.startswith(("pp.", "tl.", "pl.", "report"))}


def each(items):
    return pytest.mark.parametrize("item", items.values(), ids=items.keys())


def parameters_of(item):
    return inspect.signature(item).parameters


def sections_of(item):
    """Split a numpydoc docstring into its sections."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.getdoc(item), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("part", NAMES)
def test_each_part_holds_exactly_these_names(part):
    assert getattr(ld, part).__all__ == NAMES[part]
    assert {*NAMES, "report"} == set(ld.__all__)


@each(ON_ADATA)
def test_adata_comes_first(item):
    assert next(iter(parameters_of(item))) == "adata"


@each(PUBLIC)
def test_at_most_three_parameters_are_positional(item):
    positional = [
        p.name for p in parameters_of(item).values() if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}
    ]
    assert len(positional) <= 3, positional


@each(FUNCTIONS)
def test_copy_is_an_option_that_is_off(item):
    copy = parameters_of(item).get("copy")
    if copy is not None:
        assert (copy.kind, copy.default, copy.annotation) == (copy.KEYWORD_ONLY, False, "bool")


@each({name: item for name, item in FUNCTIONS.items() if name.startswith("pp.")})
def test_preprocessing_writes_into_adata_or_a_copy(item):
    assert "copy" in parameters_of(item)
    assert inspect.signature(item).return_annotation == "AnnData | None"


@each(PUBLIC)
def test_everything_is_annotated(item):
    missing = [p.name for p in parameters_of(item).values() if p.annotation is p.empty]
    assert not missing
    assert inspect.isclass(item) or inspect.signature(item).return_annotation is not inspect.Signature.empty


@each(PUBLIC)
def test_docstring_documents_the_parameters_of_the_signature(item):
    entries = re.findall(r"^(?=\S)(.+)$", sections_of(item).get("Parameters", ""), flags=re.MULTILINE)
    documented = [name.lstrip("*") for entry in entries for name in entry.split(", ")]
    assert documented == list(parameters_of(item))


@each(FUNCTIONS)
def test_docstring_says_what_is_returned(item):
    assert "Returns" in sections_of(item)


@each(PUBLIC)
def test_docstring_ends_with_an_example(item):
    assert list(sections_of(item))[-1] == "Examples"
    assert ">>> import lowdepth as ld\n" in sections_of(item)["Examples"]


@each(PUBLIC)
def test_docstring_has_its_shared_texts_filled_in(item):
    assert not re.search(r"^ *\{\w+\}$", inspect.getdoc(item), flags=re.MULTILINE)


def test_documentation_lists_everything():
    listed = re.findall(r"^   ((?:\w+\.)?\w+)$", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(PUBLIC)


def test_completion_offers_the_parts():
    assert dir(ld) == sorted(ld.__all__)


def test_unknown_part_is_answered_with_those_that_exist():
    with pytest.raises(AttributeError, match="'plot'; its parts are datasets, model, pl, pp, report, tl"):
        ld.plot  # noqa: B018
