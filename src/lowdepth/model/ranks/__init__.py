"""Training in several processes, one for each device: together they compute what one would on all their cells.

Lightning starts the processes and averages their gradients. What a minibatch has in common, batch
norm's statistics and the correlation of the views, is summed over all of them here.
"""

from __future__ import annotations

from ._batch_norm import with_joined_batch_norm
from ._batches import JoinedBatches
from ._plan import RanksPlan
from ._runner import RanksRunner
from ._sums import cells_per_rank, moments, n_ranks, sum_over_ranks

__all__ = [
    "JoinedBatches",
    "RanksPlan",
    "RanksRunner",
    "cells_per_rank",
    "moments",
    "n_ranks",
    "sum_over_ranks",
    "with_joined_batch_norm",
]
