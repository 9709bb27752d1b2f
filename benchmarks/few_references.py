"""Labels from few deep cells that have the types of the shallow ones: what a correction of their frequencies costs.

    uv run --group benchmarks benchmarks/few_references.py --data pbmc_ifnb_14k.h5ad --batch-key sample_id

Cells are thinned as in ``accuracy.py`` and the default is trained on all of them, once a seed. ``--references`` deep
cells are drawn then, ``--draws`` times, and 3,000 shallow ones are labelled by them, with ``label_shift`` on and off.
The table has the mean and the worst difference that the correction makes to accuracy and balanced accuracy, in points,
over draws and seeds, and in how many of these it did anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from real_cells import parser_for
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import lowdepth as ld

if TYPE_CHECKING:
    import argparse

METHODS = ("depth_matched", "posterior")
SHALLOW_CELLS = 3000


def scores(cells: ad.AnnData, options: argparse.Namespace, **how: object) -> np.ndarray:
    ld.tl.label_transfer(cells, options.label_key, low_umi=options.low_umi, rng=1, **how)
    shallow = cells.obs["total_umi"] < options.low_umi
    truth, said = cells.obs.loc[shallow, options.label_key].astype(str), cells.obs.loc[shallow, "label_transfer"]
    return 100 * np.array([accuracy_score(truth, said.astype(str)), balanced_accuracy_score(truth, said.astype(str))])


def run(seed: int, options: argparse.Namespace) -> list[tuple[object, ...]]:
    adata = ad.read_h5ad(options.data)
    ld.pp.emulate_low_depth(adata, rng=seed)
    model = ld.tl.joint_embedding(
        adata, batch_key=options.batch_key, max_epochs=options.epochs, accelerator="cpu", rng=seed, progress_bar=False
    )
    is_deep = (adata.obs["total_umi"] >= options.low_umi).to_numpy()
    rows = []
    for draw in range(options.draws):
        generator = np.random.default_rng(draw)
        shallow = generator.choice(np.flatnonzero(~is_deep), SHALLOW_CELLS, replace=False)
        for n_references in options.references:
            deep = generator.choice(np.flatnonzero(is_deep), n_references, replace=False)
            cells = adata[np.sort(np.concatenate([deep, shallow]))].copy()
            for method in METHODS:
                plain = scores(cells, options, model=model, method=method, label_shift=False)
                change = scores(cells, options, model=model, method=method) - plain
                prior = cells.uns["label_transfer"]["prior"]
                corrected = (prior["query"] != prior["reference"]).any()
                rows.append((n_references, method, corrected, *change))
    return rows


def main() -> None:
    parser = parser_for(__doc__, seeds=2)
    parser.add_argument("--references", type=int, nargs="+", default=[300, 600, 1500])
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    rows = [row for seed in range(options.seeds) for row in run(seed, options)]
    changes = pd.DataFrame(rows, columns=["deep cells", "method", "corrected", "accuracy", "balanced"])
    table = changes.groupby(["method", "deep cells"]).agg(
        draws=("corrected", "size"),
        corrected=("corrected", "sum"),
        accuracy=("accuracy", "mean"),
        worst_accuracy=("accuracy", "min"),
        balanced=("balanced", "mean"),
        worst_balanced=("balanced", "min"),
    )
    print(table.reset_index().round(1).to_markdown(index=False))


if __name__ == "__main__":
    main()
