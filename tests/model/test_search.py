"""Ray's workers search over our model by the criteria without labels, as the how-to page has it."""

from __future__ import annotations

import os

import pytest
from helpers import counts_adata
from test_large_data_page import SEARCH

import lowdepth as ld

pytest.importorskip("hyperopt")
ray = pytest.importorskip("ray")

METRICS = ["thinned_nll_validation", "thinning_stability_validation"]


@pytest.fixture
def workers(monkeypatch, tmp_path):
    """Start Ray, one worker to a core, where scvi-tools may write its log."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), "src"]))
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    monkeypatch.chdir(tmp_path)
    yield
    ray.shutdown()


@pytest.mark.slow
# Ray and its dependencies open files and use names that newer versions of Python and of each other deprecate
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# scib-metrics, which scvi.autotune imports, loads chex, which says so
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_search_by_criteria_without_labels(workers):
    adata = counts_adata(120)
    ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
    names = {"ld": ld, "adata": adata}
    exec(compile(SEARCH, "large_data.md", "exec"), names)
    result_grid = names["search"].result_grid
    results = result_grid.get_dataframe()
    assert not result_grid.errors
    assert set(results["config/model_params/n_latent"]) == {10, 32}
    assert results[METRICS].notna().all(axis=None)
    assert results["training_iteration"].ge(1).all()  # the scheduler may end one early
