"""scvi-tools' checkpoints of a training, in our files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from scvi.train import _callbacks

from ._model_files import read

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def our_checkpoints() -> Iterator[None]:
    """Let :class:`scvi.train.SaveCheckpoint` find the best weights in what our models' ``save`` wrote.

    It saves with the model's own method, but reads with a function of its own, and has no hook for another.
    Where several processes train, each of them tidies up: another one may have been quicker.
    """
    tidying = SimpleNamespace(path=os.path, remove=lambda path: Path(path).unlink(missing_ok=True))
    with (
        patch.object(_callbacks, "_load_saved_files", _best_weights),
        patch.object(_callbacks, "os", tidying),
        patch.object(_callbacks, "rmtree", partial(rmtree, ignore_errors=True)),
    ):
        yield


def _best_weights(dir_path: str, **_: Any) -> tuple[None, None, dict[str, Any], None]:
    return None, None, dict(read(Path(dir_path), "", with_adata=False).weights), None
