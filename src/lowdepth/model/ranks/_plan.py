"""What is optimised, and what is noted of it."""

from __future__ import annotations

from typing import Any

import torch
from scvi.train import TrainingPlan


class RanksPlan(TrainingPlan):
    """scvi-tools' plan, whose metrics Lightning can sum over several processes.

    Parameters
    ----------
    *arguments, **options
        Those of :class:`scvi.train.TrainingPlan`.
    """

    @torch.no_grad()
    def compute_and_log_metrics(self, *arguments: Any, **options: Any) -> None:
        """Note the metrics; scvi-tools does so in inference mode, whose tensors cannot be written to later."""
        super().compute_and_log_metrics.__wrapped__(self, *arguments, **options)
