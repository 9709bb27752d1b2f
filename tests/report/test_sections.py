"""Each section says what its slots hold, and stays away without them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lowdepth._report._calibration import calibration_section
from lowdepth._report._caution import caution_section
from lowdepth._report._cutoff import cutoff_section
from lowdepth._report._depth import depth_section
from lowdepth._report._found import find
from lowdepth._report._methods import methods_section
from lowdepth._report._overlay import overlay_section
from lowdepth._report._recovery import recovery_section
from lowdepth._report._recovery_curve import recovery_curve_section
from lowdepth._report._rescue import rescue_section


def found_in(adata, **options):
    defaults = {"use_rep": "X_joint_embedding", "transfer": "label_transfer"}
    return find(adata, **defaults | {"basis": None, "sample_key": None, "low_umi": None} | options)


def points(adata):
    section = caution_section(found_in(adata))
    return [] if section is None else section.points


def test_depths_alone_give_depths_a_caution_and_the_methods(bare):
    found = found_in(bare)
    for absent in (overlay_section, recovery_curve_section, recovery_section, calibration_section, rescue_section):
        assert absent(found) is None
    assert methods_section(found).paragraphs == ["The data hold 40 cells and 3 genes."]
    assert depth_section(found).tables[0].rows == [
        ["200", "30", "75.0 %"],
        ["500", "30", "75.0 %"],
        ["1,000", "30", "75.0 %"],
    ]


def test_without_depths_the_caution_says_how_to_get_them(bare):
    del bare.obs["total_umi"]
    assert depth_section(found_in(bare)) is None
    assert points(bare) == [
        "Depths were not measured, so that several sections are missing: run ld.pp.depth_metrics(adata)."
    ]


@pytest.mark.parametrize(("given", "expected"), [(None, 500.0), (150.0, 150.0)])
def test_cutoff_is_the_recorded_one_unless_given(done, given, expected):
    assert found_in(done, low_umi=given).low_umi == expected


def test_cutoff_without_records_is_the_usual_one(bare):
    assert found_in(bare).low_umi == 1000


def test_samples_are_the_batches_of_the_embedding_unless_given(done):
    done.obs["donor"] = "d"
    assert found_in(done).sample_key == "sample"
    assert found_in(done, sample_key="donor").sample_key == "donor"


def test_own_layout_comes_before_others(done):
    done.obsm["X_umap"] = np.zeros((40, 2))
    assert found_in(done).basis == "X_joint_embedding_refined_tsne"
    assert found_in(done, basis="X_umap").basis == "X_umap"


def test_overlay_needs_shallow_cells(done):
    assert overlay_section(found_in(done)) is not None
    assert overlay_section(found_in(done, low_umi=50)) is None


def test_rescue_counts_cells_with_a_confident_label(done):
    section = rescue_section(found_in(done))
    assert section.paragraphs[0].startswith("6 of 10 cells below 500 UMIs have a label with a confidence of 0.8")
    by_type, by_sample = section.tables
    assert by_type.header == [
        "type",
        "deep cells",
        "shallow cells",
        "confident",
        "mean confidence",
        "held-out recall",
    ]
    assert by_type.rows == [
        ["<script>alert('T')</script> & \"B\"", "15", "5", "3", "0.740", "50.0 %"],
        ["B cell", "15", "5", "3", "0.740", "100.0 %"],
    ]
    assert by_sample.rows == [["s1", "20", "1,050", "10", "6", "60.0 %"], ["s2", "20", "2,000", "0", "0", "–"]]


def test_cutoffs_and_what_they_keep(bare):
    assert cutoff_section(found_in(bare)) is None
    bare.uns["keep"] = {
        "params": {"target": 0.8},
        "cutoffs": pd.DataFrame(
            {
                "label": ["all cells", "B cell", "T cell", "Mk cell"],
                "cutoff": [1234.4, np.inf, np.nan, np.inf],
                "cutoff_low": [60.0, 300.0, np.nan, np.inf],
                "cutoff_high": [2000.0, np.inf, np.nan, np.inf],
                "n": [1030, 20, 10, 9],
            }
        ),
        "kept": pd.DataFrame(
            {
                "group": ["all"],
                "name": ["all cells"],
                "n": [40],
                "keep": [30],
                "flag": [6],
                "drop": [4],
                "at_1000": [30],
            }
        ),
    }
    section = cutoff_section(found_in(bare))
    assert section.paragraphs[0].startswith("From these depths on 80 % of thinned")
    cutoffs, kept = section.tables
    assert cutoffs.rows == [
        ["all cells", "1,234", "60 to 2,000", "1,030"],
        ["B cell", "out of reach", "300 to out of reach", "20"],
        ["T cell", "–", "–", "10"],
        ["Mk cell", "out of reach", "out of reach", "9"],
    ]
    assert kept.header == ["cells", "all", "keep", "flag", "drop", "1,000 UMIs"]
    assert kept.rows == [["all cells", "40", "30", "6", "4", "30"]]


def test_calibration_gives_the_bins(done):
    assert calibration_section(found_in(done)).tables[0].rows == [["100 to 500", "40", "75.0 %", "60.0 %", "0.150"]]


def test_recovery_gives_scores_and_intervals(done):
    assert recovery_section(found_in(done)).tables[0].rows == [
        ["X_pca", "80.0 % (70.0 % to 90.0 %)", "70.0 % (60.0 % to 80.0 %)", "10"]
    ]


def test_cautions(done):
    cautions = points(done)
    assert [text.partition(" ")[0] for text in cautions] == ["Thinned", "These", "Only", "Few", "Confidences"]
    assert "Only 30 cells have 500 UMIs or more" in cautions[2]
    assert "(15), B cell (15)" in cautions[3]
    assert cautions[4] == "Confidences of cells with 100 to 500 UMIs are off by 15.0 % on average."


def test_caution_about_plain_votes_seeds_and_missing_labels(done):
    record = done.uns["label_transfer"]
    del record["calibration"], done.uns["joint_embedding"]["params"]["rng"]
    done.obs.loc["cell 0", "label_transfer"] = np.nan
    cautions = points(done)
    assert "Confidences are plain shares of votes: nothing says how often they are right." in cautions
    assert "Cells without a label, because nothing can be said about them: 1." in cautions
    assert "The step 'joint_embedding' cannot be repeated exactly: it was given no integer as its seed." in cautions


def test_methods_name_every_step(done):
    text = methods_section(found_in(done)).paragraphs[0]
    for part in (
        "40 cells and 3 genes",
        "emulated by binomial thinning",
        "lowdepth 0.0.1 (Svensson 2026, doi:10.64898/2026.02.11.705441)",
        "preset 'denoise', 8 dimensions, 4 epochs, 64 cells a minibatch, learning rate 0.004, batches from 'sample', "
        "seed 7",
        "scvi-tools 1.5.9 and torch 2.9.9",
        "Cells below 500 UMIs were moved to the mean of 30 deep cells, weighted by how well their decoded profiles, "
        "corrected by what pools of these cells show beyond them, each together with its 2 nearest, explain the counts "
        "(multinomial likelihood, temperature 1)",
        "Labels 'cell_type' of cells with 500 UMIs or more",
        "calibrated on 4 predictions",
        "Saerens et al. 2002",
    ):
        assert part in text


def test_methods_name_no_correction_that_was_not_made(done):
    plain = done.copy()
    plain.uns["joint_embedding_refined"]["params"] |= {"residuals": False, "n_neighbors": 0}
    text = methods_section(found_in(plain)).paragraphs[0]
    assert "weighted by how well their decoded profiles explain the counts" in text


def test_parameters_and_versions_are_listed(done):
    parameters, versions = methods_section(found_in(done)).tables
    assert ["joint_embedding", "lr", "0.004"] in parameters.rows
    assert ["emulate_low_depth", "rng", "3"] in parameters.rows
    assert ["torch", "2.9.9"] in versions.rows


@pytest.mark.parametrize("key", ["recovery_curve", "keep"])
def test_recovery_curve_is_that_of_the_step_that_was_run(bare, key):
    depths = [20.0, 100.0]
    figures = {"accuracy": [0.5, 0.9], "balanced_accuracy": [0.4, 0.8]}
    ends = {f"{name}_{end}": values for name, values in figures.items() for end in ("low", "high")}
    bare.uns[key] = {
        "params": {"label_key": "cell_type", "models": np.array(["M"]), "depths": np.array(depths), "low_umi": 500.0},
        "overall": pd.DataFrame({"model": pd.Categorical(["M", "M"]), "depth": depths, **figures, **ends, "n": 30}),
    }
    if key == "keep":
        bare.uns[key]["params"]["target"] = 0.8
        bare.uns[key]["cutoffs"] = pd.DataFrame(
            {"label": ["all cells"], "cutoff": [70.0], "cutoff_low": [60.0], "cutoff_high": [80.0], "n": [30]}
        )
        kept = {"group": ["all"], "name": ["all cells"], "n": [1], "keep": [1], "flag": [0], "drop": [0]}
        bare.uns[key]["kept"] = pd.DataFrame(kept)
        assert not cutoff_section(found_in(bare)).pictures
        bare.uns["recovery_curve"] = bare.uns[key]
        assert "with the target, the cutoff" in cutoff_section(found_in(bare)).pictures[0].alt
        del bare.uns["recovery_curve"]
    section = recovery_curve_section(found_in(bare))
    assert section.tables[0].rows == [["M", "20", "50.0 %", "40.0 %"], ["M", "100", "90.0 %", "80.0 %"]]
    assert section.pictures[0].alt.endswith("At the left end: 50.0 % at 20 UMIs with M.")
