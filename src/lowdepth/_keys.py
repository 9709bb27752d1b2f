"""Every name that lowdepth writes into an AnnData, in one place.

A function called ``f`` writes ``uns["f"]`` and slots that start with ``f``;
its ``key_added`` renames all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass


def check_name(name: str) -> None:
    """Raise unless files can hold something under the name: in h5ad and zarr a slash opens a folder."""
    if not isinstance(name, str) or not name:
        msg = f"{name!r} cannot be the name of a result; choose one, as a string that is not empty"
        raise ValueError(msg)
    if "/" in name:
        msg = f"{name!r} cannot be the name of a result: h5ad and zarr files hold none with '/'; choose one without"
        raise ValueError(msg)


@dataclass(frozen=True)
class _Keys:
    """Names that a user may have chosen."""

    def __post_init__(self) -> None:
        for name in vars(self).values():
            check_name(name)


@dataclass(frozen=True)
class DepthKeys(_Keys):
    """Written by :func:`lowdepth.pp.depth_metrics`."""

    total_umi: str = "total_umi"
    log10_umi: str = "log10_umi"
    n_genes: str = "n_genes"
    low_umi: str = "low_umi"
    max_ambient_share: str = "max_ambient_share"
    uns: str = "depth_metrics"


@dataclass(frozen=True)
class EmulateKeys(_Keys):
    """Written by :func:`lowdepth.pp.emulate_low_depth`, beside the depths."""

    uns: str = "emulate_low_depth"


@dataclass(frozen=True)
class ThinKeys(_Keys):
    """Written by :func:`lowdepth.pp.thin_to_depth`, beside the counts."""

    uns: str = "thin_to_depth"


@dataclass(frozen=True)
class SplitKeys(_Keys):
    """Written by :func:`lowdepth.pp.split_counts`, beside the folds."""

    uns: str = "split_counts"


@dataclass(frozen=True)
class EmbeddingKeys(_Keys):
    """Written by :func:`lowdepth.tl.joint_embedding`, :func:`lowdepth.tl.tsne` and :func:`lowdepth.tl.umap`."""

    obsm: str = "X_joint_embedding"

    @property
    def uns(self) -> str:
        """Name of the record: the embedding's own, without scanpy's prefix ``X_``."""
        return self.obsm.removeprefix("X_")


@dataclass(frozen=True)
class RefineKeys(_Keys):
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
class TransferKeys(_Keys):
    """Written by :func:`lowdepth.tl.label_transfer`."""

    obs: str = "label_transfer"

    @property
    def confidence(self) -> str:
        """Probability of the predicted label."""
        return f"{self.obs}_confidence"

    @property
    def entropy(self) -> str:
        """Entropy of the probabilities."""
        return f"{self.obs}_entropy"

    @property
    def typicality(self) -> str:
        """How usual the cell is among those of its depth."""
        return f"{self.obs}_typicality"

    @property
    def probability(self) -> str:
        """Probabilities of the types, in ``obsm``."""
        return f"{self.obs}_probability"

    @property
    def uns(self) -> str:
        """Types, parameters, calibration and held-out cells."""
        return self.obs


@dataclass(frozen=True)
class PredictionSetKeys(_Keys):
    """Written by :func:`lowdepth.tl.prediction_sets`, in ``obs``, ``obsm`` and ``uns`` alike."""

    obs: str = "prediction_sets"

    @property
    def size(self) -> str:
        """Number of types in the set."""
        return f"{self.obs}_size"


@dataclass(frozen=True)
class ScoreKeys(_Keys):
    """Written by :func:`lowdepth.tl.label_transfer_score`."""

    uns: str = "label_transfer_score"


@dataclass(frozen=True)
class LeakageKeys(_Keys):
    """Written by :func:`lowdepth.tl.depth_leakage`."""

    uns: str = "depth_leakage"


@dataclass(frozen=True)
class BiasPointKeys(_Keys):
    """Written by :func:`lowdepth.tl.bias_point`."""

    uns: str = "bias_point"

    @property
    def distance(self) -> str:
        """Distance of each cell to the bias point."""
        return f"{self.uns}_distance"

    @property
    def collapse(self) -> str:
        """Collapse index of each cell."""
        return f"{self.uns}_collapse"


@dataclass(frozen=True)
class StabilityKeys(_Keys):
    """Written by :func:`lowdepth.tl.thinning_stability`."""

    obs: str = "thinning_stability"

    @property
    def noise(self) -> str:
        """Spread of the embedding in ``obs``."""
        return f"{self.obs}_noise"

    @property
    def path(self) -> str:
        """Embedding at each depth in ``obsm``."""
        return f"{self.obs}_path"

    @property
    def spread(self) -> str:
        """Spread at each depth in ``obsm``."""
        return f"{self.obs}_spread"

    @property
    def uns(self) -> str:
        """Parameters and depths."""
        return self.obs


@dataclass(frozen=True)
class CurveKeys(_Keys):
    """Written by :func:`lowdepth.tl.recovery_curve`."""

    uns: str = "recovery_curve"


@dataclass(frozen=True)
class CutoffKeys(_Keys):
    """Written by :func:`lowdepth.tl.recommend_cutoff`."""

    obs: str = "keep"

    @property
    def ambient_share(self) -> str:
        """Share of a shallow cell that ambient RNA explains."""
        return f"{self.obs}_ambient_share"

    @property
    def uns(self) -> str:
        """Cutoffs, the curve behind them, and what each choice keeps."""
        return self.obs


@dataclass(frozen=True)
class ComparisonKeys(_Keys):
    """Written by :func:`lowdepth.tl.compare`."""

    uns: str = "compare"


def colors_key(obs_key: str) -> str:
    """Where scanpy keeps the colours of a categorical ``obs`` column.

    >>> colors_key("cell_type")
    'cell_type_colors'
    """
    return f"{obs_key}_colors"
