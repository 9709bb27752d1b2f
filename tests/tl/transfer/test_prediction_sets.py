"""Sets hold the cell's own type as often as they say, at every depth."""

from __future__ import annotations

from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_same, assert_unchanged
from scipy import stats

import lowdepth as ld
from lowdepth.tl._transfer._conformal import largest_score, merged_bins

TYPES = ["a", "b", "c/d", "e", "f"]
LOW = np.array([20.0, 60.0, 180.0, 540.0])
HIGH = np.append(LOW[1:], 2000.0)


def draw(n, rng, frequencies=None):
    """Draw depths, true types and their exact posteriors: the deeper the cell, the surer.

    A cell's evidence is a normal vector around its type's corner, so that the posterior is known.
    """
    frequencies = np.full(len(TYPES), 1 / len(TYPES)) if frequencies is None else frequencies
    umis = np.exp(rng.uniform(np.log(LOW[0]), np.log(HIGH[-1]), n))
    label = rng.choice(len(TYPES), n, p=frequencies)
    distance = np.log10(umis)[:, np.newaxis]
    evidence = distance * np.eye(len(TYPES))[label] + rng.normal(size=(n, len(TYPES)))
    posterior = np.exp(distance * evidence)
    return umis, label, (posterior / posterior.sum(1, keepdims=True)).astype(np.float32)


def transferred(n_query=4000, n_held_out=4000, seed=0, query_frequencies=None):
    """Make the slots of a transfer by hand; ``obs["truth"]`` holds what the cells are."""
    rng = np.random.default_rng(seed)
    umis, label, probability = draw(n_query, rng, query_frequencies)
    truth = pd.Categorical.from_codes(label, TYPES)
    obs = pd.DataFrame({"total_umi": umis, "truth": truth}, index=np.arange(n_query).astype(str))
    adata = ad.AnnData(obs=obs)
    adata.obsm["label_transfer_probability"] = probability
    umis, label, probability = draw(n_held_out, rng)
    adata.uns["label_transfer"] = {
        "categories": np.array(TYPES),
        "calibration": pd.DataFrame({"umi_low": LOW, "umi_high": HIGH}),
        "held_out": {"total_umi": umis, "label": label, "probability": probability},
    }
    if query_frequencies is not None:
        adata.uns["label_transfer"]["prior"] = {
            "reference": np.full(len(TYPES), 1 / len(TYPES)),
            "query": np.tile(query_frequencies, (len(LOW), 1)),
        }
        reweight(adata, query_frequencies * len(TYPES))
    return adata


def reweight(adata, ratio):
    """Correct the query's probabilities for other type frequencies."""
    probability = adata.obsm["label_transfer_probability"] * ratio
    adata.obsm["label_transfer_probability"] = (probability / probability.sum(1, keepdims=True)).astype(np.float32)


def sets_of(adata, **options):
    ld.tl.prediction_sets(adata, **options)
    return adata.obsm["prediction_sets"]


def is_covered(adata, cells=slice(None)):
    own = adata.obs["truth"].cat.codes.to_numpy()
    return adata.obsm["prediction_sets"][np.arange(adata.n_obs), own][cells]


def bounds(n_held_out, n_query, alpha, error=1e-6):
    """Give the interval that the coverage of n query cells leaves with a small probability, scores without ties."""
    rank = int(np.ceil((n_held_out + 1) * (1 - alpha)))
    covered = stats.betabinom(n_query, rank, n_held_out + 1 - rank)
    return covered.ppf([error / 2, 1 - error / 2]) / n_query


def assert_covered(adata, alpha):
    """Check the coverage of each type at each depth."""
    held_out = adata.uns["label_transfer"]["held_out"]
    truth, umis = adata.obs["truth"].cat.codes.to_numpy(), adata.obs["total_umi"].to_numpy()
    for low, high in zip(LOW, HIGH, strict=True):
        for code in range(len(TYPES)):
            calibration = (held_out["label"] == code) & (held_out["total_umi"] >= low) & (held_out["total_umi"] < high)
            cells = (truth == code) & (umis >= low) & (umis < high)
            smallest, largest = bounds(calibration.sum(), cells.sum(), alpha)
            assert smallest <= is_covered(adata, cells).mean() <= largest


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_coverage_of_each_type_in_each_bin_of_depth(alpha, seed):
    adata = transferred(n_held_out=10_000, seed=seed)
    sets_of(adata, alpha=alpha)
    assert_covered(adata, alpha)


@pytest.mark.parametrize("corrected", [True, False], ids=["corrected", "not corrected"])
def test_coverage_where_the_query_has_other_frequencies(corrected):
    frequencies = np.array([0.02, 0.02, 0.06, 0.1, 0.8])
    adata = transferred(20_000, 20_000, query_frequencies=frequencies)
    if not corrected:
        del adata.uns["label_transfer"]["prior"]
        reweight(adata, 1 / (frequencies * len(TYPES)))
    sets_of(adata)
    assert_covered(adata, 0.1)


def test_types_that_the_transfer_confuses_are_covered():
    adata = transferred(20_000, 20_000)
    record = adata.uns["label_transfer"]
    for probability, label in (
        (adata.obsm["label_transfer_probability"], adata.obs["truth"].cat.codes.to_numpy()),
        (record["held_out"]["probability"], record["held_out"]["label"]),
    ):
        probability[label == 0] = probability[label == 0][:, [1, 0, 2, 3, 4]]
    sets = sets_of(adata)
    assert_covered(adata, 0.1)
    assert sets[:, 0].mean() > 0.9  # the price: the type is hardly ever excluded


def test_one_threshold_for_all_types_covers_cells_as_a_whole():
    frequencies = np.array([0.5, 0.3, 0.12, 0.05, 0.03])
    adata = transferred(20_000, 1)
    adata.obs["total_umi"], label, probability = draw(20_000, np.random.default_rng(1), frequencies)
    adata.obs["truth"] = pd.Categorical.from_codes(label, TYPES)
    umis, label, of_held_out = draw(20_000, np.random.default_rng(2), frequencies)
    # a transfer that hardly ever sees the rarest type
    probability, of_held_out = (p * [1, 1, 1, 1, 0.01] for p in (probability, of_held_out))
    adata.obsm["label_transfer_probability"] = probability / probability.sum(1, keepdims=True)
    held_out = {"total_umi": umis, "label": label, "probability": of_held_out / of_held_out.sum(1, keepdims=True)}
    adata.uns["label_transfer"]["held_out"] = held_out
    rare = (adata.obs["truth"] == TYPES[4]).to_numpy()
    together = sets_of(adata, by_type=False).sum()
    assert abs(is_covered(adata).mean() - 0.9) < 0.02
    assert is_covered(adata, rare).mean() < 0.5
    assert sets_of(adata).sum() > together
    assert abs(is_covered(adata, rare).mean() - 0.9) < 0.1


def test_a_type_of_too_few_held_out_cells_takes_the_threshold_of_all():
    adata = transferred()
    held_out = adata.uns["label_transfer"]["held_out"]
    kept = np.flatnonzero(held_out["label"] != 2)
    few = np.concatenate([kept, np.flatnonzero(held_out["label"] == 2)[:8]])
    adata.uns["label_transfer"]["held_out"] = {name: values[few] for name, values in held_out.items()}
    sets_of(adata)
    held_out = adata.uns["label_transfer"]["held_out"]
    score = 1 - held_out["probability"][np.arange(len(few)), held_out["label"]].astype(float)
    place = np.searchsorted(LOW, held_out["total_umi"], side="right") - 1
    expected = [1 - largest_score(score[place == own], 0.1) for own in range(len(LOW))]
    np.testing.assert_allclose(adata.uns["prediction_sets"]["thresholds"][:, 2], expected)


def test_one_threshold_for_all_depths_would_not_do():
    adata = transferred()
    adata.uns["label_transfer"]["calibration"] = pd.DataFrame({"umi_low": LOW[:1], "umi_high": HIGH[-1:]})
    sets_of(adata)
    shallow = adata.obs["total_umi"].to_numpy() < LOW[1]
    assert is_covered(adata, shallow).mean() < 0.85
    assert is_covered(adata, ~shallow).mean() > 0.9


def test_thresholds_by_brute_force():
    adata = transferred(50, 3000)
    sets = sets_of(adata, alpha=0.2)
    held_out = adata.uns["label_transfer"]["held_out"]
    score = 1 - held_out["probability"][np.arange(3000), held_out["label"]].astype(float)
    for cell in range(adata.n_obs):
        umis = adata.obs["total_umi"].iloc[cell]
        place = (umis >= LOW).sum() - 1
        in_bin = (held_out["total_umi"] >= LOW[place]) & (held_out["total_umi"] < HIGH[place])
        for code in range(len(TYPES)):
            own = np.sort(score[in_bin & (held_out["label"] == code)])
            highest = own[int(np.ceil((len(own) + 1) * 0.8)) - 1]
            probability = float(adata.obsm["label_transfer_probability"][cell, code])
            assert sets[cell, code] == (1 - probability <= highest)


def test_small_bins_merge():
    adata = transferred(n_held_out=250)
    sets_of(adata)
    record = adata.uns["label_transfer"]["held_out"]
    place = np.searchsorted(LOW, record["total_umi"], side="right") - 1
    for code in range(len(TYPES)):
        n_cells = np.bincount(place[record["label"] == code], minlength=len(LOW))
        assert n_cells.min() < 20
        merged = np.diff(merged_bins(n_cells, 20)) == 0
        same = np.diff(adata.uns["prediction_sets"]["thresholds"][:, code]) == 0
        np.testing.assert_array_equal(same, merged)


def test_a_smaller_alpha_gives_supersets():
    adata = transferred(1000)
    nested = [sets_of(adata, alpha=alpha).copy() for alpha in (0.5, 0.2, 0.1, 0.01)]
    for small, large in pairwise(nested):
        assert (large >= small).all()
        assert large.sum() > small.sum()


def test_order_of_cells_and_of_held_out_cells_does_not_matter():
    adata = transferred(300)
    sets = sets_of(adata)
    order = np.random.default_rng(1).permutation(adata.n_obs)
    shuffled = adata[order].copy()
    held_out = shuffled.uns["label_transfer"]["held_out"]
    other = np.random.default_rng(2).permutation(len(held_out["label"]))
    shuffled.uns["label_transfer"]["held_out"] = {name: values[other] for name, values in held_out.items()}
    np.testing.assert_array_equal(sets_of(shuffled), sets[order])
    assert list(shuffled.obs["prediction_sets"]) == list(adata.obs["prediction_sets"].iloc[order])


def test_order_of_types_does_not_matter():
    adata = transferred(300)
    sets = sets_of(adata)
    order = np.array([3, 1, 4, 0, 2])
    record = adata.uns["label_transfer"]
    held_out = record["held_out"]
    record["categories"] = record["categories"][order]
    held_out["label"] = np.argsort(order)[held_out["label"]]
    held_out["probability"] = held_out["probability"][:, order]
    adata.obsm["label_transfer_probability"] = adata.obsm["label_transfer_probability"][:, order]
    np.testing.assert_array_equal(sets_of(adata), sets[:, order])


def test_unsure_cells_of_easy_depths_have_empty_sets():
    adata = transferred()
    sets = sets_of(adata, alpha=0.3)
    deep = adata.obs["total_umi"].to_numpy() >= LOW[-1]
    empty = sets.sum(1) == 0
    assert empty[deep].any()
    confidence = adata.obsm["label_transfer_probability"].max(1)
    assert confidence[deep & empty].mean() < confidence[deep & ~empty].mean()
    assert (adata.obs["prediction_sets"][empty] == "none").all()
    assert sets_of(adata, alpha=0.02)[deep].any(axis=1).all()


def test_sets_in_words():
    adata = transferred(1000)
    adata.obsm["label_transfer_probability"][0] = np.nan
    adata.obsm["label_transfer_probability"][1] = [0, 0, 1, 0, 0]
    sets = sets_of(adata, alpha=0.02)
    words = adata.obs["prediction_sets"]
    assert (words.iloc[0], words.iloc[1]) == ("cannot tell", "c/d")
    assert sets[0].all()
    for members, word in zip(sets, words, strict=True):
        named = [TYPES[place] for place in np.flatnonzero(members)]
        assert word == (" or ".join(named) if len(named) <= 3 else "cannot tell")
    np.testing.assert_array_equal(adata.obs["prediction_sets_size"], sets.sum(1))
    assert words.cat.categories[-1] == "cannot tell"
    assert set(words.cat.categories) == set(words)


def test_too_few_held_out_cells_are_warned_about():
    adata = transferred(20, 30)
    adata.obsm["label_transfer_probability"][3] = [0, 1, 0, 0, 0]
    with pytest.warns(UserWarning, match=r"30 held-out cells are too few.*`alpha=0.01`"):
        sets = sets_of(adata, alpha=0.01)
    reference_cell = np.arange(20) == 3
    assert sets[~reference_cell].all()
    assert sets[3].tolist() == [False, True, False, False, False]


def test_key_added_and_copy():
    adata = transferred(50)
    with assert_unchanged(adata):
        copied = ld.tl.prediction_sets(adata, key_added="sets", copy=True)
    assert {"sets", "sets_size"} <= set(copied.obs)
    assert "sets" in copied.obsm
    assert copied.uns["sets"]["params"] == {"alpha": 0.1, "by_type": True, "transfer": "label_transfer"}


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_record_survives_a_file(kind, tmp_path):
    adata = transferred(50)
    sets = sets_of(adata)
    path = tmp_path / f"adata.{kind}"
    getattr(adata, f"write_{kind}")(path)
    read = getattr(ad, f"read_{kind}")(path)
    np.testing.assert_array_equal(read.obsm["prediction_sets"], sets)
    assert read.obsm["prediction_sets"].dtype == bool
    record = read.uns["prediction_sets"]
    pd.testing.assert_frame_equal(record["bins"], adata.uns["prediction_sets"]["bins"], check_index_type=False)
    assert_same(record["thresholds"], adata.uns["prediction_sets"]["thresholds"])
    assert list(record["categories"]) == TYPES
    again = sets_of(read)  # from slots that were written and read
    np.testing.assert_array_equal(again, sets)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alpha": 0}, ValueError, "`alpha=0`"),
        ({"alpha": np.nan}, ValueError, "`alpha=nan`"),
        ({"transfer": "none"}, KeyError, r"adata.uns\['none'\] has no 'categories'.*run `ld.tl.label_transfer"),
    ],
)
def test_errors_leave_adata_unchanged(change, error, message):
    adata = transferred(20)
    with assert_unchanged(adata), pytest.raises(error, match=message):
        ld.tl.prediction_sets(adata, **change)


@pytest.mark.parametrize("missing", ["held_out", "calibration"])
def test_a_transfer_without_held_out_cells(missing):
    adata = transferred(20)
    del adata.uns["label_transfer"][missing]
    with assert_unchanged(adata), pytest.raises(KeyError, match=rf"no '{missing}'.*without a model"):
        ld.tl.prediction_sets(adata)


def test_missing_depths():
    adata = transferred(20)
    del adata.obs["total_umi"]
    with assert_unchanged(adata), pytest.raises(KeyError, match="depth_metrics"):
        ld.tl.prediction_sets(adata)
