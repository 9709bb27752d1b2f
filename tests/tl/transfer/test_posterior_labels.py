"""The temperature of posterior labels is fitted, whatever the counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from lowdepth.tl._transfer._posterior_labels import _Judge


@pytest.mark.parametrize("seed", range(10))
def test_temperature_is_finite_where_some_cells_have_ten_million_umis(seed):
    rng = np.random.default_rng(seed)
    types, codes = rng.integers(3, size=60), rng.integers(3, size=300)
    umis = np.where(np.arange(300) % 2, 1e7, rng.uniform(50, 500, 300))
    scores = (rng.normal(size=(300, 60)) + 0.3 * (types == codes[:, None])) * umis[:, None] ** 0.6
    scores = torch.from_numpy(scores.astype(np.float32))
    judge = _Judge(torch.zeros(60), one_hot(torch.from_numpy(types), 3).float())
    judge.fit(scores, umis, codes)
    probability = np.exp(judge(scores, umis))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
