"""Every name that lowdepth writes into an AnnData, in one place.

A function called ``f`` writes ``uns["f"]`` and slots that start with ``f``;
its ``key_added`` renames all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DepthKeys:
    """Written by :func:`lowdepth.pp.depth_metrics`."""

    total_umi: str = "total_umi"
    log10_umi: str = "log10_umi"
    n_genes: str = "n_genes"
    low_umi: str = "low_umi"
    uns: str = "depth_metrics"


@dataclass(frozen=True)
class EmulateKeys:
    """Written by :func:`lowdepth.pp.emulate_low_depth`, beside the depths."""

    uns: str = "emulate_low_depth"


@dataclass(frozen=True)
class EmbeddingKeys:
    """Written by :func:`lowdepth.tl.joint_embedding` and :func:`lowdepth.tl.tsne`."""

    obsm: str

    @property
    def uns(self) -> str:
        """Name of the record: the embedding's own, without scanpy's prefix ``X_``."""
        return self.obsm.removeprefix("X_")


@dataclass(frozen=True)
class RefineKeys:
    """Written by :func:`lowdepth.tl.refine_low_umi`."""

    obsm: str = "X_joint_embedding_refined"

    @property
    def uns(self) -> str:
        """Parameters of the refinement."""
        return self.obsm.removeprefix("X_")

    @property
    def n_references(self) -> str:
        """Effective number of reference cells."""
        return f"{self.uns}_n_references"

    @property
    def entropy(self) -> str:
        """Entropy of the weights."""
        return f"{self.uns}_entropy"

    @property
    def weights(self) -> str:
        """Weights in ``obsp``."""
        return f"{self.uns}_weights"


@dataclass(frozen=True)
class TransferKeys:
    """Written by :func:`lowdepth.tl.label_transfer`."""

    obs: str = "label_transfer"

    @property
    def confidence(self) -> str:
        """Vote fraction of the predicted label."""
        return f"{self.obs}_confidence"

    @property
    def uns(self) -> str:
        """Parameters of the transfer."""
        return self.obs


@dataclass(frozen=True)
class ScoreKeys:
    """Written by :func:`lowdepth.tl.label_transfer_score`."""

    uns: str = "label_transfer_score"


def colors_key(obs_key: str) -> str:
    """Where scanpy keeps the colours of a categorical ``obs`` column.

    >>> colors_key("cell_type")
    'cell_type_colors'
    """
    return f"{obs_key}_colors"
