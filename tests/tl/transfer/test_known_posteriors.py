"""On simulated cells, whose exact posteriors are known, confidences come close to them and can be believed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

import lowdepth as ld

# one test worker trains
pytestmark = pytest.mark.xdist_group("known posteriors")

LOW_UMI = 500


@pytest.fixture(scope="module")
def transferred():
    """Give simulated cells with a finished transfer, and the exact posteriors of the shallow ones."""
    adata = ld.datasets.simulate(
        3000, 300, n_types=4, n_batches=1, median_umi=1500, type_effect=0.4, overdispersion=0, rng=0
    )
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    # without overdispersion and batches, cells of a type are multinomial draws from one profile
    umis = np.stack([np.asarray(adata.X[codes == code].sum(axis=0)).ravel() for code in range(4)]) + 0.5
    generator = np.random.default_rng(0)
    depth = np.where(
        generator.random(adata.n_obs) < 0.6, np.exp(generator.uniform(np.log(10), np.log(200), adata.n_obs)), 1e9
    )
    ld.pp.thin_to_depth(adata, depth, rng=0)
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    adata = adata[adata.obs["total_umi"] > 0].copy()
    model = ld.tl.joint_embedding(
        adata, n_latent=8, max_epochs=30, batch_size=128, low_umi=LOW_UMI, progress_bar=False, accelerator="cpu"
    )
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=LOW_UMI)
    shallow = (adata.obs["total_umi"] < LOW_UMI).to_numpy()
    frequency = np.log(np.bincount(adata.obs["cell_type"].cat.codes[~shallow]))
    log_share = np.log(umis / umis.sum(axis=1, keepdims=True))
    return adata[shallow].copy(), softmax(adata.X[shallow] @ log_share.T + frequency, axis=1)


def test_probabilities_say_nearly_as_much_as_the_exact_ones(transferred):
    adata, exact = transferred
    own = np.arange(adata.n_obs), adata.obs["cell_type"].cat.codes.to_numpy()
    ours = adata.obsm["label_transfer_probability"].astype(float)
    log_loss = {name: -np.log(p[own]).mean() for name, p in {"ours": ours, "exact": exact}.items()}
    assert 0.1 < log_loss["exact"] < 1  # neither trivial nor hopeless
    assert log_loss["ours"] < log_loss["exact"] + 0.1


def test_confidences_are_right_as_often_as_they_say_at_each_depth(transferred):
    adata, _ = transferred
    confidence = adata.obs["label_transfer_confidence"].to_numpy()
    right = (adata.obs["label_transfer"].astype(str) == adata.obs["cell_type"].astype(str)).to_numpy()
    for cells in np.array_split(np.argsort(adata.obs["total_umi"].to_numpy()), 4):
        chance = np.sqrt((confidence[cells] * (1 - confidence[cells])).sum()) / len(cells)
        assert abs(right[cells].mean() - confidence[cells].mean()) < 4 * chance + 0.01
