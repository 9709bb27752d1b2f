"""Ray's workers search over our model by the criteria without labels."""

from __future__ import annotations

import os

import pytest
from helpers import counts_adata

import lowdepth as ld

pytest.importorskip("hyperopt")
ray = pytest.importorskip("ray")

METRICS = ["thinned_nll_validation", "thinning_stability_validation"]


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), "src"]))
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
# Ray and its dependencies open files and use names that newer versions of Python and of each other deprecate
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_search_by_criteria_without_labels(two_workers, tmp_path):
    from ray import tune
    from scvi.autotune import run_autotune

    adata = counts_adata(120)
    ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    search = run_autotune(
        ld.model.JointEmbedding,
        adata,
        metrics=METRICS,
        mode="min",
        search_space={
            "model_params": {"n_latent": tune.grid_search([2, 4]), "n_hidden": 8},
            "train_params": {"max_epochs": 2, "batch_size": 32, "train_size": 0.7, "accelerator": "cpu"},
        },
        num_samples=1,
        searcher="random",
        resources={"cpu": 1},
        logging_dir=str(tmp_path),
        ignore_reinit_error=True,
    )
    results = search.result_grid.get_dataframe()
    assert not search.result_grid.errors
    assert set(results["config/model_params/n_latent"]) == {2, 4}
    assert results[METRICS].notna().all(axis=None)
    assert results["training_iteration"].eq(2).all()
