"""Sums of UMIs are exact."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import CONTAINERS

from lowdepth._umi_totals import total_umis


@pytest.mark.parametrize("container", CONTAINERS)
def test_total_umis_are_exact(container):
    # sums that float32 and uint8 cannot hold
    wide = np.array([[2**24, 1, 0], [0, 0, 0]], np.float32)
    totals = total_umis(CONTAINERS[container](wide))
    assert (totals.dtype, totals.tolist()) == (np.float64, [2**24 + 1, 0])
    assert total_umis(CONTAINERS[container](np.full((1, 3), 255, np.uint8))).tolist() == [765]
