"""scib-metrics scores our embeddings beside others."""

from __future__ import annotations

import pytest
from finished_cells import cells


@pytest.mark.slow
# of umap, which looks for Tensorflow, and of others that scib-metrics loads
@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_benchmarker_takes_the_embeddings():
    benchmark = pytest.importorskip("scib_metrics.benchmark")
    adata, _ = cells()
    embeddings = ["X_pca", "X_joint_embedding", "X_joint_embedding_refined"]
    benchmarker = benchmark.Benchmarker(
        adata,
        "batch",
        "cell_type",
        embeddings,
        bio_conservation_metrics=benchmark.BioConservation(
            nmi_ari_cluster_labels_kmeans=False, clisi_knn=False, silhouette_label=False
        ),
        batch_correction_metrics=benchmark.BatchCorrection(
            bras=False, ilisi_knn=False, kbet_per_label=False, graph_connectivity=False
        ),
        progress_bar=False,
    )
    benchmarker.benchmark()
    scores = benchmarker.get_results(min_max_scale=False).loc[embeddings, "Isolated labels"].astype(float)
    assert scores.between(0, 1).all()
