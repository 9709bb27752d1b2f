"""Search settings of the model on several of Ray's workers, by criteria that need no labels.

    uv run --extra tune benchmarks/search.py --workers 2

``scvi.autotune`` trains ``--trials`` models with settings drawn at random on the cells of ``--data`` (by default
``ld.datasets.pbmc3k()``); a fifth of the cells is held out. On a cluster start Ray first (``ray start --head``, and
``ray start --address=...`` on the other nodes) and pass ``--address auto``. The table has each trial's settings,
its two criteria and its time, the best likelihood first.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import anndata as ad
import ray
from ray import tune
from scvi.autotune import run_autotune

import lowdepth as ld

CRITERIA = ["thinned_nll_validation", "thinning_stability_validation"]
SPACE = {
    "n_latent": tune.choice([10, 32]),
    "n_hidden": tune.choice([64, 128]),
    "joint_embedding_weight": tune.loguniform(1, 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--layer")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time, where no cluster is named")
    parser.add_argument("--address", help="of a cluster that runs")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    adata = ad.read_h5ad(options.data) if options.data else ld.datasets.pbmc3k()
    ld.model.JointEmbedding.setup_anndata(adata, layer=options.layer)
    where = {"address": options.address} if options.address else {"num_cpus": options.workers}
    ray.init(**where, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        search = run_autotune(
            ld.model.JointEmbedding,
            adata,
            metrics=CRITERIA,
            mode="min",
            search_space={
                "model_params": SPACE,
                "train_params": {"max_epochs": options.epochs, "train_size": 0.8, "accelerator": "cpu"},
            },
            num_samples=options.trials,
            searcher="random",
            seed=options.seed,
            resources={"cpu": 1},
            logging_dir=folder,
            ignore_reinit_error=True,
        )
        results = search.result_grid.get_dataframe()
    results = results.rename(columns=lambda name: name.removeprefix("config/model_params/"))
    columns = [*SPACE, *CRITERIA, "training_iteration", "time_total_s"]
    print(results[columns].sort_values(CRITERIA[0]).to_string(index=False))


if __name__ == "__main__":
    main()
