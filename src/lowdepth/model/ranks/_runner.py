"""A training in one process or in several."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from scvi.dataloaders import DataSplitter
from scvi.train import TrainRunner
from scvi.train._callbacks import LoudEarlyStopping
from scvi.train._config import merge_kwargs
from scvi.train._logger import SimpleLogger

from ._sums import joined

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

STOPPING = {"monitor": "elbo_validation", "min_delta": 0.0, "patience": 45, "warmup_epochs": 0, "mode": "min"}
"""Early stopping as :class:`scvi.train.Trainer` has it, which leaves it out where there are several processes."""


class RanksRunner(TrainRunner):
    """scvi-tools' runner; several processes share a model, its history and a stopping point.

    Parameters
    ----------
    *arguments, **options
        Those of :class:`scvi.train.TrainRunner`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options = merge_kwargs(options.pop("trainer_config", None), options, name="trainer")
        callbacks = [*(options.pop("callbacks", None) or []), OwnDraws()]
        stopping = {name: options.pop(f"early_stopping_{name}", default) for name, default in STOPPING.items()}
        if options.pop("early_stopping", False):
            callbacks.append(LoudEarlyStopping(**stopping))
        if options.get("logger") is None:
            # of its own accord scvi-tools would write the log of several processes into the working directory
            options["logger"] = SimpleLogger(save_dir=options.pop("log_save_dir", None))
        with warnings.catch_warnings():
            # scvi-tools says so although none was asked for
            warnings.filterwarnings("ignore", "early_stopping was automatically disabled", UserWarning)
            super().__init__(*arguments, callbacks=callbacks, **options)
        if self.trainer.world_size > 1:
            self._check()
            # scvi-tools would move all processes' models to the first device
            self.device = self.trainer.strategy.root_device

    def __call__(self) -> None:
        """Train."""
        n_ranks = self.trainer.world_size
        with joined(n_ranks):
            super().__call__()
        if n_ranks > 1:
            # scvi-tools gives it to the first process alone, and what follows a training asks for it in all
            self.model.history_ = self.trainer.strategy.broadcast(self.model.history_)

    def _check(self) -> None:
        strategy = self.trainer.strategy
        if not isinstance(strategy, DDPStrategy):
            msg = f"a {type(strategy).__name__} does not compute what one device does; pass strategy='ddp'"
            raise NotImplementedError(msg)
        if isinstance(strategy.launcher, _MultiProcessingLauncher):
            msg = (
                "processes that are forked or spawned, as in a notebook, do not give their model back; "
                "run a script with strategy='ddp', see the documentation under \"Scale\""
            )
            raise NotImplementedError(msg)
        if not isinstance(self.data_splitter, DataSplitter):
            msg = "several devices share cells that are in memory; train on cells on the disk with devices=1"
            raise NotImplementedError(msg)
        if type(self.data_splitter) is DataSplitter:
            msg = (
                "several devices share the non-zeros of sparse counts, and these minibatches are dense; store the "
                "counts as a `scipy.sparse.csr_matrix`, and keep to what the quick way can take, or use one device"
            )
            raise NotImplementedError(msg)


class OwnDraws(Callback):
    """Let each process thin and sample with draws of its own; one seed would give all of them the same."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Derive a seed for each process from that of the first."""
        if trainer.world_size > 1:
            torch.manual_seed(trainer.strategy.broadcast(int(torch.randint(2**31, ()))) + trainer.global_rank)
