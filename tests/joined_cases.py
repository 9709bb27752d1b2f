"""Minibatches that one process computes alone and two compute together, with the same thinned counts and noise."""

from __future__ import annotations

from unittest.mock import patch

import torch
from helpers import counts_adata, same_thinning
from scvi import REGISTRY_KEYS
from torch.distributions import Normal

import lowdepth as ld
from lowdepth.model._seed import seeded
from lowdepth.model.engine import SparseCounts, take_rows

N_OBS = 23
SHARES = {"even": [range(11), range(11, 22)], "uneven": [range(14), range(14, N_OBS)], "one cell": [range(22), [22]]}
SETTINGS = {
    "scvi": {"preset": "scvi"},
    "paper": {"preset": "paper", "variance_weight": 1.0, "dispersion": "gene-batch"},
    "denoise": {"preset": "denoise"},
    "poisson": {"preset": "denoise", "gene_likelihood": "poisson"},
}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def module_of(settings, dtype):
    """Build the module that all processes begin with."""
    adata = counts_adata(N_OBS)
    with seeded(0):
        ld.model.JointEmbedding.setup_anndata(adata, batch_key="batch")
        model = ld.model.JointEmbedding(
            adata, n_latent=4, n_hidden=8, dropout_rate=0.0, precision="float32", **SETTINGS[settings]
        )
    return model.module.to(DTYPES[dtype]).train()


def minibatch(cells, dtype):
    """Take some of the cells."""
    adata = counts_adata(N_OBS)
    counts = take_rows(adata.X, torch.tensor(cells).numpy())
    codes = torch.tensor(adata.obs["batch"].cat.codes.to_numpy()[cells], dtype=torch.long)[:, None]
    return {
        REGISTRY_KEYS.X_KEY: SparseCounts(
            counts.values.to(DTYPES[dtype]), counts.columns, counts.row_starts, n_vars=counts.n_vars
        ),
        REGISTRY_KEYS.BATCH_KEY: codes,
        REGISTRY_KEYS.LABELS_KEY: torch.zeros_like(codes),
    }


def computed(module, cells, dtype):
    """Run a step on the cells; the module may be one that torch has wrapped."""
    noise = torch.randn(N_OBS, 4, generator=torch.Generator().manual_seed(1))[cells].to(DTYPES[dtype])
    with same_thinning(), patch.object(Normal, "rsample", lambda self, shape=(): self.loc + self.scale * noise):
        *_, output = module(minibatch(cells, dtype), loss_kwargs={"kl_weight": 0.5})
    output.loss.backward()
    plain = getattr(module, "module", module)
    return {
        "loss": output.loss.detach(),
        "gradients": {name: p.grad for name, p in plain.named_parameters() if p.grad is not None},
        "buffers": dict(plain.named_buffers()),
        "metrics": output.extra_metrics,
    }
