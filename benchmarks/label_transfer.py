"""Labels for shallow cells: ours beside the usual ways, on the same thinned cells.

    uv run benchmarks/label_transfer.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id --low-umi 1000 --seeds 5

Every seed thins the cells anew, as in ``accuracy.py``; cells at or above the cutoff have labels, the others are asked
for. Besides accuracies the table tells whether confidences can be believed: expected calibration error (in tenths of
confidence) of all cells and of the worst half decade of depth, and accuracy of the most confident 70 %. Cells were
thinned and are clean, so read the differences, not the levels. A finished run is kept in ``--runs`` and not repeated.
CellTypist is not among the default methods, since it trains with an older scikit-learn only:

    uv run --with celltypist --with "scikit-learn<1.8" benchmarks/label_transfer.py --data pbmc_ifnb_14k.h5ad \
        --methods CellTypist "CellTypist, majority voting"
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scvi
from real_cells import kept_run, parser_for
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lowdepth as ld
from lowdepth.model._seed import seeded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

EPOCHS, BATCH = 25, 512
Answer = tuple[np.ndarray, np.ndarray]
"""Predicted label and confidence of each shallow cell."""


class Task:
    """Thinned cells of one seed, and the embeddings that several methods share."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.seed, self.options = seed, options
        self.adata = ad.read_h5ad(options.data)
        ld.pp.emulate_low_depth(self.adata, rng=seed)
        self.deep = (self.adata.obs["total_umi"] >= options.low_umi).to_numpy()
        self.label = self.adata.obs[options.label_key].astype(str).to_numpy()
        self.models: dict[str, ld.model.JointEmbedding] = {}

    def model(self, preset: str) -> ld.model.JointEmbedding:
        if preset not in self.models:
            self.models[preset] = ld.tl.joint_embedding(
                self.adata,
                batch_key=self.options.batch_key,
                preset=preset,
                max_epochs=self.options.epochs,
                low_umi=self.options.low_umi,
                key_added=f"X_{preset}",
                rng=self.seed,
                progress_bar=False,
            )
        return self.models[preset]

    def embedding(self, preset: str) -> np.ndarray:
        self.model(preset)
        return self.adata.obsm[f"X_{preset}"]

    def log_normalised(self) -> ad.AnnData:
        cells = ad.AnnData(self.adata.X.copy(), self.adata.obs.copy(), self.adata.var[[]].copy())
        sc.pp.normalize_total(cells, target_sum=1e4)
        sc.pp.log1p(cells)
        return cells


def lowdepth(task: Task, method: str) -> Answer:
    options = task.options
    model = task.model("denoise")
    ld.tl.label_transfer(
        task.adata, options.label_key, model=model, method=method, low_umi=options.low_umi, rng=task.seed
    )
    said = task.adata.obs[~task.deep]
    return said["label_transfer"].astype(str).to_numpy(), said["label_transfer_confidence"].to_numpy()


def votes(task: Task, preset: str) -> Answer:
    task.embedding(preset)
    options = task.options
    ld.tl.label_transfer(task.adata, options.label_key, use_rep=f"X_{preset}", low_umi=options.low_umi)
    said = task.adata.obs[~task.deep]
    return said["label_transfer"].astype(str).to_numpy(), said["label_transfer_confidence"].to_numpy()


def weighted_votes(task: Task, preset: str, n_neighbors: int = 50) -> Answer:
    """Votes with the Gaussian weights of scArches (Lotfollahi et al. 2022)."""
    latent = task.embedding(preset)
    distance, index = NearestNeighbors(n_neighbors=n_neighbors).fit(latent[task.deep]).kneighbors(latent[~task.deep])
    weight = np.exp(-distance / (2 / distance.std(axis=1, keepdims=True)) ** 2)
    types, codes = np.unique(task.label[task.deep], return_inverse=True)
    share = np.stack([(weight * (codes[index] == code)).sum(1) for code in range(len(types))], axis=1)
    share /= weight.sum(1, keepdims=True)
    return types[share.argmax(1)], share.max(1)


def logistic_regression(task: Task) -> Answer:
    """Scaled log-normalised counts; probabilities of all types at once."""
    cells = task.log_normalised()
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=200))
    model.fit(cells.X[task.deep], task.label[task.deep])
    score = model.decision_function(cells.X[~task.deep])
    probability = softmax(score, axis=1)
    return model.classes_[probability.argmax(1)], probability.max(1)


def celltypist(task: Task, *, majority_voting: bool) -> Answer:
    """CellTypist (Domínguez Conde et al. 2022) with a model of the deep cells, both at their defaults."""
    import celltypist  # noqa: PLC0415 # for these rows only, since it wants a scikit-learn before 1.8

    cells = task.log_normalised()
    model = celltypist.train(cells[task.deep].copy(), labels=task.label[task.deep], n_jobs=1)
    said = celltypist.annotate(cells[~task.deep].copy(), model=model, majority_voting=majority_voting)
    predicted = said.predicted_labels["majority_voting" if majority_voting else "predicted_labels"]
    confidence = said.probability_matrix.max(axis=1).to_numpy()
    return predicted.astype(str).to_numpy(), np.full_like(confidence, np.nan) if majority_voting else confidence


def ingest(task: Task) -> Answer:
    """scanpy's ingest: neighbours among the deep cells' principal components; it gives no confidences."""
    cells = task.log_normalised()
    cells.obs["said"] = task.label
    deep, shallow = cells[task.deep].copy(), cells[~task.deep].copy()
    sc.pp.highly_variable_genes(deep, n_top_genes=2000)
    sc.pp.pca(deep)
    sc.pp.neighbors(deep)
    del shallow.obs["said"]
    sc.tl.ingest(shallow, deep, obs="said", embedding_method="pca")
    return shallow.obs["said"].astype(str).to_numpy(), np.full(shallow.n_obs, np.nan)


def cluster_majority(task: Task, preset: str) -> Answer:
    """Each Leiden cluster has the label that most of its deep cells have."""
    cells = ad.AnnData(obsm={"X": task.embedding(preset)}, obs=task.adata.obs[[]].copy())
    sc.pp.neighbors(cells, use_rep="X")
    sc.tl.leiden(cells, resolution=2, flavor="igraph", n_iterations=2, directed=False)
    table = pd.crosstab(cells.obs["leiden"].to_numpy()[task.deep], task.label[task.deep], normalize="index")
    table = table.reindex(cells.obs["leiden"].cat.categories, fill_value=0)
    own = table.loc[cells.obs["leiden"].to_numpy()[~task.deep]].to_numpy()
    return table.columns.to_numpy()[own.argmax(1)], own.max(1)


def scanvi(task: Task) -> Answer:
    """scANVI (Xu et al. 2021) after scVI, both by scvi-tools."""
    adata, options = task.adata.copy(), task.options
    adata.obs["known"] = np.where(task.deep, task.label, "unknown")
    with seeded(task.seed):
        scvi.model.SCVI.setup_anndata(adata, batch_key=options.batch_key)
        base = scvi.model.SCVI(adata, n_latent=32, gene_likelihood="nb")
        training = {"batch_size": BATCH, "train_size": 1.0, "enable_progress_bar": False}
        base.train(options.epochs, plan_kwargs={"lr": 0.004}, **training)
        model = scvi.model.SCANVI.from_scvi_model(base, unlabeled_category="unknown", labels_key="known")
        model.train(10, **training)
        probability = model.predict(soft=True)[~task.deep]
    return probability.columns.to_numpy()[probability.to_numpy().argmax(1)], probability.to_numpy().max(1)


METHODS: dict[str, Callable[[Task], Answer]] = {
    "lowdepth, posterior": lambda task: lowdepth(task, "posterior"),
    "lowdepth, depth-matched": lambda task: lowdepth(task, "depth_matched"),
    "lowdepth, 15 neighbours calibrated": lambda task: lowdepth(task, "knn"),
    "15 neighbours, lowdepth": lambda task: votes(task, "denoise"),
    "15 neighbours, joint embedding": lambda task: votes(task, "paper"),
    "15 neighbours, scVI": lambda task: votes(task, "scvi"),
    "weighted neighbours, joint embedding": lambda task: weighted_votes(task, "paper"),
    "cluster majority, joint embedding": lambda task: cluster_majority(task, "paper"),
    "logistic regression": logistic_regression,
    "scanpy ingest": ingest,
    "scANVI": scanvi,
    "CellTypist": lambda task: celltypist(task, majority_voting=False),
    "CellTypist, majority voting": lambda task: celltypist(task, majority_voting=True),
}

BY_DEFAULT = [name for name in METHODS if not name.startswith("CellTypist")]


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Give the mean gap between confidence and accuracy over tenths of confidence."""
    tenth = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs((right[tenth == t] - confidence[tenth == t]).sum()) for t in np.unique(tenth)]
    return sum(gaps) / len(right)


def scores(task: Task, answer: Answer) -> dict[str, float]:
    predicted, confidence = answer
    right = predicted == task.label[~task.deep]
    truth = task.label[~task.deep]
    row = {"accuracy": right.mean(), "balanced": np.mean([right[truth == t].mean() for t in np.unique(truth)])}
    if np.isfinite(confidence).all():
        depth = np.ceil(2 * np.log10(task.options.low_umi / task.adata.obs["total_umi"].to_numpy()[~task.deep]))
        bins = [depth == d for d in np.unique(depth)]
        row["ECE"] = calibration_error(right, confidence)
        row["ECE, worst depth"] = max(calibration_error(right[cells], confidence[cells]) for cells in bins)
        row["most confident 70 %"] = right[np.argsort(-confidence, kind="stable")[: int(0.7 * len(right))]].mean()
    return row


def run_seed(seed: int, options: argparse.Namespace) -> pd.DataFrame:
    task = Task(options, seed)
    rows = {}
    for name in options.methods:
        path = kept_run(f"transfer-{name.replace(' ', '-')}", seed, options, suffix=".npz")
        if not path.exists():
            start = time.perf_counter()
            predicted, confidence = METHODS[name](task)
            seconds = time.perf_counter() - start
            np.savez(path, predicted=predicted.astype(str), confidence=confidence, seconds=seconds)
        with np.load(path) as run:
            rows[name] = scores(task, (run["predicted"], run["confidence"]))
        print(seed, name, {key: round(float(value), 3) for key, value in rows[name].items()}, flush=True)
    return pd.DataFrame(rows).T


def main() -> None:
    parser = parser_for(__doc__, epochs=EPOCHS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=BY_DEFAULT, metavar="METHOD")
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args()
    runs = pd.concat([run_seed(seed, options) for seed in range(options.seeds)])
    grouped = runs.groupby(level=0, sort=False)
    spread = grouped.std(ddof=1) if options.seeds > 1 else grouped.mean() * np.nan
    print(f"\n{options.data.name}: mean ± standard deviation over {options.seeds} seeds")
    shown = grouped.mean().map("{:.3f}".format) + " ± " + spread.map("{:.3f}".format)
    print(shown.to_string())


if __name__ == "__main__":
    main()
