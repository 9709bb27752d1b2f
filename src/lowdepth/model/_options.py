"""Which settings the model takes: a name with a slip in it shall not end in the constructor of a parent's parent."""

from __future__ import annotations

import difflib
from inspect import signature
from typing import TYPE_CHECKING

from scvi.external import JointEmbeddingVAE
from scvi.module import VAE

from ._module import JointEmbeddingModule

if TYPE_CHECKING:
    from collections.abc import Iterable

OPTIONS = {name for kind in (JointEmbeddingModule, JointEmbeddingVAE, VAE) for name in signature(kind).parameters}

OF_THE_TRAINING = {"max_epochs", "batch_size", "batch_key", "layer", "lr", "accelerator", "progress_bar"}
"""What users may have meant, of :func:`lowdepth.tl.joint_embedding`."""


def check_options(names: Iterable[str]) -> None:
    """Raise if one of the names is no setting of the model."""
    for name in names:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS | OF_THE_TRAINING - {name}, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            msg = (
                f"there is no setting {name!r}, neither of the training nor of the model (ld.tl.joint_embedding, "
                f"ld.model.JointEmbedding){hint}"
            )
            raise TypeError(msg)
