"""The module: scvi-tools' own, weight for weight, that also trains on the non-zeros of sparse minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi import REGISTRY_KEYS
from scvi.external import JointEmbeddingVAE
from scvi.module._constants import MODULE_KEYS
from scvi.module.base import LossOutput, auto_move_data
from torch.distributions import kl_divergence
from torch.distributions.normal import Normal

from lowdepth._checks import one_of

from ._criteria import thinning_stability
from ._encode import INPUTS, EncoderInput, encode, encoder_input
from ._objective import centred_within, compare_views, sample_keep
from .engine import SparseCounts, decoder_log_likelihood, thinned_values
from .engine._precision import PRECISIONS
from .engine._sparse_linear import gene_major
from .ranks import cells_per_rank, n_ranks, with_joined_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._encode import View
    from .engine._likelihood import LogLikelihood

X_KEY = REGISTRY_KEYS.X_KEY


class JointEmbeddingModule(JointEmbeddingVAE):
    """The published module; weights move freely between it and scvi-tools' own.

    A minibatch whose counts are :class:`~lowdepth.model.engine.SparseCounts` takes the way
    through the non-zeros, a dense one goes through scvi-tools' code.

    Parameters
    ----------
    *arguments, **options
        Those of :class:`scvi.external.JointEmbeddingVAE`.
    encoder_input
        What the encoder is shown: ``"log1p"`` of the counts, or its ``"direction"``, in which depth
        does not show.
    n_decoder_layers
        Hidden layers of the decoder; by default the encoder's ``n_layers``, and no more than these.
    denoising_weight
        Weight of the full counts' likelihood under what is decoded from the thinned view.
    correlate_within_batches
        Compare the two views around the means of their batches, and of the categories of each categorical covariate:
        what tells these apart need not agree.
    precision
        Of the decoder's matrix products.
    """

    training: bool

    def __init__(
        self,
        *arguments: Any,
        encoder_input: str = "log1p",
        denoising_weight: float = 0.0,
        correlate_within_batches: bool = False,
        n_decoder_layers: int | None = None,
        precision: str = "auto",
        **options: Any,
    ) -> None:
        one_of("encoder_input", encoder_input, INPUTS)
        one_of("precision", precision, PRECISIONS)
        super().__init__(*arguments, **options)
        self.encoder_input = encoder_input
        self.denoising_weight = denoising_weight
        self.correlate_within_batches = correlate_within_batches
        self.n_categories = list(options.get("n_cats_per_cov") or [])
        self.precision = precision
        if n_decoder_layers is not None:
            layers = self.decoder.px_decoder.fc_layers
            if not 1 <= n_decoder_layers <= len(layers):
                msg = f"`n_decoder_layers={n_decoder_layers}`: it has to lie between 1 and `n_layers={len(layers)}`"
                raise ValueError(msg)
            self.decoder.px_decoder.fc_layers = layers[:n_decoder_layers]
        with_joined_batch_norm(self)
        self._freeze_what_no_loss_reaches()
        first = self.z_encoder.encoder.fc_layers[0][0]
        first.weight.data = gene_major(first.weight.data)
        if self.dense_only and not self.is_published:
            msg = (
                "encoder_input, denoising_weight and correlate_within_batches work on the non-zeros, "
                f"which cannot take {self.dense_only}; leave that out, or pass preset='paper'"
            )
            raise ValueError(msg)

    def _freeze_what_no_loss_reaches(self) -> None:
        """Leave out of the training what scvi-tools builds for other settings: several devices would wait for it."""
        unused = {
            self.l_encoder: self.use_observed_lib_size,
            self.decoder.px_r_decoder: self.dispersion != "gene-cell",
            self.decoder.px_dropout_decoder: self.gene_likelihood != "zinb",
            getattr(self, "px_r", None): self.gene_likelihood == "poisson",
        }
        for part, is_unused in unused.items():
            if is_unused and part is not None:
                part.requires_grad_(False)  # noqa: FBT003  torch's own

    @property
    def is_published(self) -> bool:
        """Whether scvi-tools' own code computes the same."""
        return self.encoder_input == "log1p" and not self.denoising_weight and not self.correlate_within_batches

    @property
    def dense_only(self) -> str:
        """What keeps the module from training on the non-zeros; empty if nothing does."""
        reasons = {
            f"gene_likelihood={self.gene_likelihood!r}": self.gene_likelihood not in {"nb", "poisson"},
            f"dispersion={self.dispersion!r}": self.dispersion == "gene-cell",
            "a library size that is not the observed one": self.use_size_factor_key or not self.use_observed_lib_size,
            "encode_covariates=True": self.encode_covariates,
            "extra_payload_autotune=True": self.extra_payload_autotune,
            "log_variational=False": self.encoder_input == "direction" and not self.log_variational,
        }
        return ", ".join(reason for reason, holds in reasons.items() if holds)

    def start_decoder(self, frequency: torch.Tensor) -> None:
        """Let the decoder begin at each gene's mean frequency, which it would else spend its first epochs learning."""
        layer = self.decoder.px_scale_decoder[0]
        with torch.no_grad():
            layer.bias.copy_(frequency.log())
            self.px_r.fill_(1.0)

    def forward(
        self, tensors: Mapping[str, Any], *arguments: Any, loss_kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run a minibatch; a sparse one through the non-zeros, for its loss alone."""
        weights = dict(loss_kwargs or {})
        sees_thinned = self.training or weights.get("with_thinned", False)
        if sees_thinned and not self.is_published and not isinstance(tensors[X_KEY], SparseCounts):
            tensors = {**tensors, X_KEY: SparseCounts.from_dense(tensors[X_KEY])}
        if isinstance(tensors[X_KEY], SparseCounts):
            return {}, {}, self._loss_on_nonzeros(tensors, **weights)
        return super().forward(tensors, *arguments, loss_kwargs=loss_kwargs, **options)

    def loss(self, *arguments: Any, kl_weight: float = 1.0, with_thinned: bool = False, **options: Any) -> LossOutput:
        """Compute scvi-tools' loss of a dense minibatch, on request with the thinned view in validation too."""
        training: bool = self.training
        self.training = training or with_thinned  # of this module alone: batch norm and dropout stay as they are
        try:
            return super().loss(*arguments, kl_weight=kl_weight, **options)
        finally:
            self.training = training

    def _loss_on_nonzeros(
        self,
        tensors: Mapping[str, Any],
        *,
        kl_weight: float = 1.0,
        joint_embedding_weight: float | None = None,
        reconstruction_weight: float | None = None,
        with_thinned: bool = False,
    ) -> LossOutput:
        counts: SparseCounts = tensors[X_KEY]
        total = counts.total()
        views = [counts.values]
        thins = (self.use_joint_embedding or self.denoising_weight) if self.training else with_thinned
        # correlations over a minibatch need two cells
        if thins and n_ranks() * counts.n_obs > 1:
            views.append(self._thin(counts, total))
        is_judged = len(views) > 1 and not self.training
        if is_judged:
            half = torch.full_like(total, 0.5)
            views += [thinned_values(counts, half), thinned_values(counts, half)]
        (posterior, z), *others = self._encode(counts, views)
        thinned, halves = others[:1], others[1:]
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
        n_cells = cells_per_rank(kl)
        loss = kl_weight * kl.sum() / n_cells

        # both views have to explain the full counts, each as much as its weight says; the first one is reported
        full = self.reconstruction_weight if reconstruction_weight is None else reconstruction_weight
        decoded = [(self.denoising_weight, z_thin) for _, z_thin in thinned if self.denoising_weight]
        if full or not decoded:
            decoded.append((full, z))
        likelihoods = [self._log_likelihood(counts, sample, total, tensors) for _, sample in decoded]
        for (weight, _), likelihood in zip(decoded, likelihoods, strict=True):
            loss = loss - weight * likelihood.total / n_cells

        metrics: dict[str, torch.Tensor] = {}
        if thinned and self.use_joint_embedding:
            metrics = self._compare((posterior, z), thinned[0], tensors)
            weight = self.joint_embedding_weight if joint_embedding_weight is None else joint_embedding_weight
            loss = loss + weight * metrics["cco_loss"] + self.variance_weight * metrics["variance_loss"]
        if is_judged:
            _, z_thin = thinned[0]
            of_thinned = (
                likelihoods[0] if self.denoising_weight else self._log_likelihood(counts, z_thin, total, tensors)
            )
            metrics["thinned_nll"] = -of_thinned.by_cell.mean()
            one, other = (half.loc for half, _ in halves)
            metrics["thinning_stability"] = thinning_stability(one, other, total)
        return LossOutput(
            loss=loss,
            reconstruction_loss=-likelihoods[0].by_cell,
            kl_local={MODULE_KEYS.KL_L_KEY: torch.zeros_like(kl), MODULE_KEYS.KL_Z_KEY: kl},
            extra_metrics={name: metric.detach() for name, metric in metrics.items()},
        )

    def _thin(self, counts: SparseCounts, total: torch.Tensor) -> torch.Tensor:
        return thinned_values(counts, sample_keep(total, self.min_library_size))

    def _compare(self, full: View, thinned: View, tensors: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        (_, z_full), (_, z_thin) = full, thinned
        if self.correlate_within_batches:
            for codes, n_groups in self._groups(tensors):
                z_full, z_thin = (centred_within(codes, n_groups, z) for z in (z_full, z_thin))
        return compare_views(z_thin, z_full, self.lambda_off_diag)

    def _groups(self, tensors: Mapping[str, Any]) -> Iterator[tuple[torch.Tensor, int]]:
        """Give what the decoder is told of each cell, as codes and their number: the covariates, then the batch."""
        if self.n_categories:
            yield from zip(tensors[REGISTRY_KEYS.CAT_COVS_KEY].unbind(dim=1), self.n_categories, strict=True)
        if self.n_batch > 1:
            yield tensors[REGISTRY_KEYS.BATCH_KEY].squeeze(1), self.n_batch

    @auto_move_data
    def _regular_inference(
        self,
        x: torch.Tensor | SparseCounts,
        batch_index: torch.Tensor,
        cont_covs: torch.Tensor | None = None,
        cat_covs: torch.Tensor | None = None,
        n_samples: int = 1,
    ) -> dict[str, Any]:
        if not isinstance(x, SparseCounts):
            if self.is_published:
                return super()._regular_inference(x, batch_index, cont_covs, cat_covs, n_samples)
            x = SparseCounts.from_dense(x)
        ((posterior, z),) = self._encode(x, [x.values])
        library = x.total().log()[:, None]
        if n_samples > 1:
            z = self.z_encoder.z_transformation(posterior.sample((n_samples,)))
            library = library.expand(n_samples, *library.shape)
        return {
            MODULE_KEYS.Z_KEY: z,
            MODULE_KEYS.QZ_KEY: posterior,
            MODULE_KEYS.QL_KEY: None,
            MODULE_KEYS.LIBRARY_KEY: library,
        }

    def _encode(self, counts: SparseCounts, views: list[torch.Tensor]) -> list[View]:
        stacked = torch.stack(views) if len(views) > 1 else views[0][None]  # a view of one needs no copy
        shown = encoder_input(counts, stacked, self.encoder_input) if self.log_variational else EncoderInput(stacked)
        return encode(self.z_encoder, counts, shown, together=not self.is_published)

    def _log_likelihood(
        self, counts: SparseCounts, z: torch.Tensor, size: torch.Tensor, tensors: Mapping[str, Any]
    ) -> LogLikelihood:
        """Decode as scvi-tools' ``generative`` does, to the likelihood of the counts."""
        batch, labels = tensors[REGISTRY_KEYS.BATCH_KEY], tensors[REGISTRY_KEYS.LABELS_KEY]
        continuous, categorical = (
            tensors.get(key) for key in (REGISTRY_KEYS.CONT_COVS_KEY, REGISTRY_KEYS.CAT_COVS_KEY)
        )
        inputs = [z] if continuous is None else [z, continuous]
        categories = [] if categorical is None else list(categorical.split(1, dim=1))
        if self.batch_representation == "embedding":
            inputs.append(self.compute_embedding(REGISTRY_KEYS.BATCH_KEY, batch))
        else:
            categories.insert(0, batch)
        hidden = self.decoder.px_decoder(torch.cat(inputs, dim=1), *categories)
        layer = self.decoder.px_scale_decoder[0]
        group = {"gene-batch": batch, "gene-label": labels}.get(self.dispersion)
        dispersion = None if self.gene_likelihood == "poisson" else self.px_r.exp().view(self.n_input, -1).t()
        return decoder_log_likelihood(
            counts,
            hidden,
            layer.weight,
            layer.bias,
            size,
            None if dispersion is None else dispersion.contiguous(),
            None if group is None else group.squeeze(1),
            precision=self.precision,
        )
