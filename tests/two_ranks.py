"""What each of two processes does: minibatches of :mod:`joined_cases`, then trainings. Results go to a file each."""

from __future__ import annotations

import os
import sys
import warnings
from itertools import product
from pathlib import Path
from unittest.mock import patch

import torch
from helpers import counts_adata
from joined_cases import DTYPES, SETTINGS, SHARES, computed, module_of
from lightning.pytorch.callbacks import LambdaCallback
from scvi.train import SaveCheckpoint
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import lowdepth as ld
from lowdepth.model._nonzero_batches import NonzeroDataset
from lowdepth.model._seed import seeded
from lowdepth.model.ranks._sums import joined

ON_TWO = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
RANK = 0
OUT = Path(sys.argv[-1])


def steps():
    """Compute each minibatch together with the other process."""
    results = {}
    for settings, dtype, (name, shares) in product(SETTINGS, DTYPES, SHARES.items()):
        with joined(2):
            module = DistributedDataParallel(module_of(settings, dtype))
            results[settings, dtype, name] = computed(module, list(shares[RANK]), dtype)
    return results


def model_of(adata):
    """Make a model from another seed in each process: the first one's is what counts."""
    with seeded(RANK):
        ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
        return ld.model.JointEmbedding(adata, n_latent=4, n_hidden=8)


def training(**options):
    """Train, and note which cells were read."""
    seen, draws = [], []
    drawing = LambdaCallback(on_train_end=lambda *_: draws.append(torch.rand(3)))
    original = NonzeroDataset.__getitem__

    def noted(self, positions):
        seen.append((len(self), self.indices[positions]))
        return original(self, positions)

    options["callbacks"] = [drawing, *options.pop("callbacks", [])]
    model = model_of(counts_adata(61))
    with patch.object(NonzeroDataset, "__getitem__", noted), seeded(RANK):
        model.train(**{"batch_size": 8, "enable_progress_bar": False, **ON_TWO, **options})
    model.save(OUT / "model", overwrite=True)
    return {
        "seen": seen,
        "draws": draws[0],
        "weights": model.module.state_dict(),
        "history": {name: frame[name].tolist() for name, frame in model.history.items()},
        "training": model.train_indices,
        "validation": model.validation_indices,
    }


def refused(action):
    """Give the message of the error."""
    try:
        action()
    except (NotImplementedError, ValueError) as error:
        return str(error)
    return None


def embedding(**options):
    """Embed the cells through the public function."""
    adata = counts_adata(40)
    ld.tl.joint_embedding(
        adata, n_latent=3, n_hidden=8, max_epochs=2, batch_size=8, low_umi=100, progress_bar=False, **ON_TWO, **options
    )
    return {"latent": adata.obsm["X_joint_embedding"], "params": adata.uns["joint_embedding"]["params"]}


def dense():
    """Train on dense counts."""
    adata = counts_adata(61)
    adata.X = adata.X.toarray()
    model_of(adata).train(max_epochs=1, enable_progress_bar=False, **ON_TWO)


def main():
    """Write down all results."""
    warnings.simplefilter("error")
    # as in pyproject.toml
    warnings.filterwarnings("ignore", "The '(mode.chained_assignment|future.infer_string)' option", DeprecationWarning)
    warnings.filterwarnings("ignore", ".isinstance.treespec, LeafSpec.. is deprecated", FutureWarning)
    distributed.init_process_group("gloo")
    checkpoint = SaveCheckpoint(dirpath=str(OUT / "checkpoints"), monitor="elbo_validation", load_best_on_end=True)
    results = {
        "steps": steps(),
        "training": training(max_epochs=3),
        "stopped": training(
            max_epochs=20,
            train_size=0.8,
            early_stopping=True,
            early_stopping_patience=1,
            early_stopping_min_delta=1e6,
            callbacks=[checkpoint],
        ),
        "best": Path(checkpoint.best_model_path).name,
        "embedding": embedding(),
        "dense": refused(dense),
        "few cells": refused(lambda: training(max_epochs=1, train_size=0.98)),
        "files": sorted(path.name for path in Path.cwd().iterdir()),
    }
    torch.save(results, OUT / f"rank {RANK}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    second = os.fork()  # which imports nothing anew
    RANK = 0 if second else 1
    os.environ |= {"RANK": str(RANK), "LOCAL_RANK": str(RANK)}
    main()
    if second and os.waitpid(second, 0)[1]:
        sys.exit("the second process failed")
