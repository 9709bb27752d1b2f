"""Comparisons whose winner, scores and differences are known."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from helpers import assert_unchanged, counts_adata
from known_models import DirectionModel
from scipy import stats

import lowdepth as ld
from lowdepth.tl._comparison._comparison import METRICS, paired_differences, summarised

OPTIONS = {"low_umi": 100, "n_neighbors": 5, "seeds": 3}


@pytest.fixture
def adata():
    return counts_adata(300, depth=2000.0)


def oracle(cells, _):
    return np.eye(3)[cells.obs["cell_type"].cat.codes]


def direction(cells, _):
    return DirectionModel.embedding(cells.X.toarray())


def noise(cells, seed):
    return np.random.default_rng(seed).standard_normal((cells.n_obs, 3))


METHODS = {"oracle": oracle, "noise": noise, "direction": direction}


def compare(adata, **options):
    return ld.tl.compare(adata, "cell_type", **(OPTIONS | options))


def test_the_oracle_wins_and_noise_is_chance(adata):
    compared = compare(adata, methods=METHODS)
    assert compared.overall.loc["oracle", ["accuracy", "balanced_accuracy", "macro_f1"]].tolist() == [1, 1, 1]
    guesses = compared.per_seed[compared.per_seed["method"] == "noise"]
    right, n = (guesses["accuracy"] * guesses["n_query"]).sum(), guesses["n_query"].sum()
    assert stats.binomtest(round(right), int(n), 1 / 3).pvalue > 1e-4
    assert compared.overall.loc["direction", "accuracy"] > compared.overall.loc["noise", "accuracy"]
    assert compared.overall.index.to_list() == list(METHODS)
    assert (compared.per_seed["seconds"] >= 0).all()


def test_methods_see_the_same_thinned_cells_and_each_its_own_copy(adata):
    seen = {}

    def look(name):
        def embed(cells, seed):
            seen[name, seed] = cells.X.toarray().copy()
            cells.X *= 0
            return noise(cells, seed)

        return embed

    with assert_unchanged(adata):
        compared = compare(adata.copy(), methods={"one": look("one"), "two": look("two")}, seeds=[3, 8])
    for seed in (3, 8):
        expected = ld.pp.emulate_low_depth(adata, rng=seed, copy=True).X.toarray()
        np.testing.assert_array_equal(seen["one", seed], expected)
        np.testing.assert_array_equal(seen["two", seed], expected)
    assert seen["one", 3].shape != seen["one", 8].shape or (seen["one", 3] != seen["one", 8]).any()
    by_seed = compared.per_seed.pivot_table(index="seed", columns="method", values="accuracy", observed=True)
    np.testing.assert_array_equal(by_seed["one"], by_seed["two"])
    assert compared.differences.set_index("metric").loc["accuracy", "difference"] == 0


def test_scores_are_those_of_the_score(adata):
    compared = compare(adata, methods={"direction": direction}, seeds=[4])
    thinned = ld.pp.emulate_low_depth(adata, rng=4, copy=True)
    thinned.obsm["X"] = direction(thinned, 4)
    score = ld.tl.label_transfer_score(thinned, "cell_type", use_rep="X", low_umi=100, n_neighbors=5, n_bootstrap=0)
    assert compared.per_seed["accuracy"].tolist() == score.overall["accuracy"].tolist()
    recall = score.per_type.set_index("label")["recall"]
    np.testing.assert_allclose(compared.per_type.set_index("label")["recall"], recall)
    assert compared.overall["accuracy_sd"].isna().all()


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    seeds = np.arange(6)
    shared, gain = rng.normal(0.5, 0.2, 6), rng.normal(0.1, 0.01, 6)
    rows = [
        pd.DataFrame({"method": name, "seed": seeds, **dict.fromkeys(METRICS, values)})
        for name, values in {"base": shared, "better": shared + gain}.items()
    ]
    per_seed = pd.concat(rows).astype({"method": "category"})
    table = paired_differences(per_seed, ["base", "better"], "base")
    assert table["method"].tolist() == ["better"] * len(METRICS)
    expected = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    row = table.iloc[0]
    assert row["difference"] == pytest.approx(gain.mean())
    assert row["difference_sd"] == pytest.approx(gain.std(ddof=1))
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high))
    overall = summarised(per_seed, ["better", "base"])
    assert overall.index.to_list() == ["better", "base"]
    assert overall.loc["base", "accuracy_sd"] == pytest.approx(shared.std(ddof=1))


def test_known_methods_learn_and_leave_the_data_as_they_are(adata):
    before = adata.copy()
    compared = compare(adata, methods=("pca", "scvi", "denoise"), seeds=1, n_latent=4, max_epochs=1, batch_key="batch")
    assert compared.per_seed["method"].tolist() == ["pca", "scvi", "denoise"]
    assert compared.per_seed["accuracy"].between(0, 1).all()
    del adata.uns["compare"]
    with assert_unchanged(adata):
        np.testing.assert_array_equal(adata.X.toarray(), before.X.toarray())
        assert adata.obs.equals(before.obs)
    shown = repr(compared)
    assert "below 100 UMIs" in shown
    assert "denoise" in shown


def test_cells_as_they_are(adata):
    seen = []
    compare(
        adata,
        methods={"look": lambda cells, seed: (seen.append(cells.X.sum()), noise(cells, seed))[1]},
        seeds=2,
        emulate=False,
        low_umi=2000,
    )
    assert seen == [adata.X.sum()] * 2


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_the_record_survives_a_file(adata, kind, tmp_path):
    compared = compare(adata, methods=METHODS, baseline="noise", key_added="table")
    getattr(adata, f"write_{kind}")(tmp_path / "adata")
    read = getattr(ad, f"read_{kind}")(tmp_path / "adata")
    table = read.uns["table"]
    assert table["params"]["methods"].tolist() == list(METHODS)
    np.testing.assert_array_equal(table["overall"]["accuracy"], compared.overall["accuracy"])
    assert set(table["differences"]["method"]) == {"oracle", "direction"}
    ax = ld.pl.compare(read, key="table")
    assert [tick.get_text().split("\n")[0] for tick in ax.get_yticklabels()] == list(METHODS)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"methods": []}, ValueError, "`methods` names no method"),
        ({"methods": ["scvii"]}, ValueError, "did you mean 'scvi'"),
        ({"methods": {"flat": lambda cells, _: np.ones(cells.n_obs)}}, ValueError, r"'flat' gave .*one row for each"),
        ({"seeds": 0}, ValueError, "`seeds=0`"),
        ({"seeds": []}, ValueError, "at least one seed"),
        ({"seeds": [1, 1]}, ValueError, "none twice"),
        ({"baseline": "scvi"}, ValueError, "no baseline 'scvi'"),
        ({"layer": "spliced"}, KeyError, "no layer 'spliced'"),
        ({"low_umi": 1e9}, ValueError, "no usable deep cell"),
    ],
)
def test_bad_options(adata, options, error, match):
    with assert_unchanged(adata), pytest.raises(error, match=match):
        compare(adata, **({"methods": {"noise": noise}} | options))
