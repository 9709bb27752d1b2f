"""The variants of the default that ``ablation.py`` compares.

A variant is the preset "denoise", without the decay of its weights, with other settings of the model or of its
training, or with a module that does one thing in another way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from sampled_genes import SampledGenes

import lowdepth as ld
from lowdepth.model._encode import EncoderInput, encode, encoder_input
from lowdepth.model._module import JointEmbeddingModule
from lowdepth.model._objective import sample_keep
from lowdepth.model.engine import SparseCounts, thinned_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi.module.base import LossOutput

    from lowdepth.model._encode import View


class LibraryNormalised(JointEmbeddingModule):
    """The encoder sees log1p of counts per 10,000."""

    def _encode(self, counts: SparseCounts, views: list[torch.Tensor]) -> list[View]:
        inputs = [(v * (1e4 / counts.sum_by_cell(v).clamp(min=1))[counts.rows]).log1p() for v in views]
        return encode(self.z_encoder, counts, EncoderInput(torch.stack(inputs)), together=True)


class DepthInLength(JointEmbeddingModule):
    """The encoder's input has the direction of the counts, and the logarithm of the depth as its length."""

    def _encode(self, counts: SparseCounts, views: list[torch.Tensor]) -> list[View]:
        values, factor = encoder_input(counts, torch.stack(views), "direction")
        log_depth = torch.stack([counts.sum_by_cell(view).log1p() for view in views])
        return encode(self.z_encoder, counts, EncoderInput(values, factor * log_depth / 5), together=True)


class ViewsApart(JointEmbeddingModule):
    """Batch norm sees each view as a minibatch of its own, as in the published model."""

    def _encode(self, counts: SparseCounts, views: list[torch.Tensor]) -> list[View]:
        return [super(ViewsApart, self)._encode(counts, [view])[0] for view in views]


class CorrelatedMeans(JointEmbeddingModule):
    """Posterior means are correlated instead of samples."""

    def _compare(self, full: View, thinned: View, tensors: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return super()._compare(*((posterior, posterior.loc) for posterior, _ in (full, thinned)), tensors)


class DeepViewFixed(JointEmbeddingModule):
    """The correlations pull the thinned view to the full one, and not the other way round."""

    def _compare(self, full: View, thinned: View, tensors: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return super()._compare((full[0], full[1].detach()), thinned, tensors)


class UniformShare(JointEmbeddingModule):
    """Cells keep a uniform share of their UMIs, instead of a number that is uniform in its logarithm."""

    def _thin(self, counts: SparseCounts, total: torch.Tensor) -> torch.Tensor:
        return thinned_values(counts, torch.rand_like(total))


class ShallowDepths(JointEmbeddingModule):
    """Cells are thinned to the depths of the shallower half of their minibatch."""

    def _thin(self, counts: SparseCounts, total: torch.Tensor) -> torch.Tensor:
        shallow = total[total <= total.median()]
        depth = shallow[torch.randint(len(shallow), total.shape, device=total.device)]
        return thinned_values(counts, (depth / total).clamp(max=1))


class DeepCellsThinned(JointEmbeddingModule):
    """The shallower half of a minibatch is not thinned."""

    def _thin(self, counts: SparseCounts, total: torch.Tensor) -> torch.Tensor:
        keep = sample_keep(total, self.min_library_size)
        return thinned_values(counts, torch.where(total < total.median(), torch.ones_like(keep), keep))


class TwoThinnedViews(JointEmbeddingModule):
    """Each cell is thinned twice in a step."""

    def _loss_on_nonzeros(self, tensors: Mapping[str, Any], **weights: Any) -> LossOutput:
        first, second = (super(TwoThinnedViews, self)._loss_on_nonzeros(tensors, **weights) for _ in range(2))
        first.loss = (first.loss + second.loss) / 2
        return first


class HeldOutTarget(JointEmbeddingModule):
    """The thinned view explains the UMIs that it was not shown, and nothing is decoded from the full view."""

    def _thin(self, counts: SparseCounts, total: torch.Tensor) -> torch.Tensor:
        self.shown = super()._thin(counts, total)
        return self.shown

    def _log_likelihood(
        self, counts: SparseCounts, z: torch.Tensor, size: torch.Tensor, tensors: Mapping[str, Any]
    ) -> Any:
        hidden = counts.values - self.shown
        rest = SparseCounts(hidden, counts.columns, counts.row_starts, n_vars=counts.n_vars)
        return super()._log_likelihood(rest, z, rest.total().clamp(min=1e-3), tensors)


@dataclass(frozen=True)
class Variant:
    """What to change."""

    module: type[JointEmbeddingModule] = JointEmbeddingModule
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_class(self) -> type[ld.model.JointEmbedding]:
        """The model with this variant's module."""
        return type("JointEmbedding", (ld.model.JointEmbedding,), {"_module_cls": self.module})


def settings(**model: Any) -> Variant:
    return Variant(model=model)


def training(**options: Any) -> Variant:
    return Variant(training=options)


NO_DENOISING = {"denoising_weight": 0.0, "reconstruction_weight": 1.0}

VARIANTS = {
    "default": Variant(),
    # what the encoder sees
    "log1p": settings(encoder_input="log1p"),
    "log1p of counts per 10,000": Variant(LibraryNormalised),
    "direction, log depth as length": Variant(DepthInLength),
    # its network
    "1 encoder layer": settings(n_layers=1),
    "3 encoder layers": settings(n_layers=3),
    "2 decoder layers": settings(n_decoder_layers=2),
    "width 64": settings(n_hidden=64),
    "width 128": settings(n_hidden=128),
    "width 256": settings(n_hidden=256),
    "width 512": settings(n_hidden=512),
    "no dropout": settings(dropout_rate=0.0),
    "dropout 0.3": settings(dropout_rate=0.3),
    "batch norm per view": Variant(ViewsApart),
    "layer norm": settings(use_batch_norm="none", use_layer_norm="both"),
    # what is decoded
    "no denoising": settings(**NO_DENOISING),
    "denoising 0.3": settings(denoising_weight=0.3),
    "denoising 3": settings(denoising_weight=3.0),
    "full view 0": settings(reconstruction_weight=0.0),
    "full view 0.1": settings(reconstruction_weight=0.1),
    "full view 0.3": settings(reconstruction_weight=0.3),
    "full view 1": settings(reconstruction_weight=1.0),
    "full view 0, held-out UMIs": Variant(HeldOutTarget, {"reconstruction_weight": 0.0}),
    "sampled genes": Variant(SampledGenes),
    "random start": settings(start_at_data=False),
    "Poisson": settings(gene_likelihood="poisson"),
    "dispersion per batch": settings(dispersion="gene-batch"),
    # what ties the views together
    "CCO 0": settings(joint_embedding_weight=0.0),
    "CCO 1": settings(joint_embedding_weight=1.0),
    "CCO 100": settings(joint_embedding_weight=100.0),
    "CCO 1000": settings(joint_embedding_weight=1000.0),
    "CCO of means": Variant(CorrelatedMeans),
    "CCO with the full view fixed": Variant(DeepViewFixed),
    "CCO across batches": settings(correlate_within_batches=False),
    "variance term 10": settings(variance_weight=10.0),
    # how cells are thinned
    "uniform share": Variant(UniformShare),
    "depths of shallow cells": Variant(ShallowDepths),
    "deep cells only": Variant(DeepCellsThinned),
    "two thinned views": Variant(TwoThinnedViews),
    "at least 30 UMIs": settings(min_library_size=30.0),
    # training
    "forgotten over 30 epochs": settings(forgetting_epochs=30),
    "forgotten over 100 epochs": settings(forgetting_epochs=100),
    "forgotten over 300 epochs": settings(forgetting_epochs=300),
    "no average": settings(average_weights=False),
    "stopped by held-out cells": training(
        max_epochs=400,
        train_size=0.9,
        early_stopping=True,
        early_stopping_monitor="validation_loss",
        early_stopping_patience=10,
    ),
    "KL weight 1": training(plan_kwargs={"n_epochs_kl_warmup": None, "n_steps_kl_warmup": 1}),
    "learning rate 0.002": training(lr=0.002),
    "learning rate 0.008": training(lr=0.008),
    # two or three of the parts that deal with depth changed at once
    "log1p, no denoising": settings(encoder_input="log1p", **NO_DENOISING),
    "log1p, CCO 0": settings(encoder_input="log1p", joint_embedding_weight=0.0),
    "log1p, CCO 100": settings(encoder_input="log1p", joint_embedding_weight=100.0),
    "no denoising, CCO 0": settings(joint_embedding_weight=0.0, **NO_DENOISING),
    "no denoising, CCO 100": settings(joint_embedding_weight=100.0, **NO_DENOISING),
    "log1p, no denoising, CCO 0": settings(encoder_input="log1p", joint_embedding_weight=0.0, **NO_DENOISING),
    "log1p, no denoising, CCO 100": settings(encoder_input="log1p", joint_embedding_weight=100.0, **NO_DENOISING),
}
