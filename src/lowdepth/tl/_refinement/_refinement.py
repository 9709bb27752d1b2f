"""The refinement of many cells: in groups that share their decoded references, in blocks that bound memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from tqdm.auto import tqdm

from lowdepth._checks import one_of
from lowdepth.model.engine import take_rows

from ._neighborhoods import Neighborhoods
from ._posterior_weights import largest, posterior
from ._profile_likelihood import NegativeBinomial
from ._reference_profiles import blocks
from ._residuals import corrected
from ._softmax_decoder import multinomial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scvi.module import VAE

    from lowdepth._blocked_counts import Portion

    from ._reference_profiles import Group
    from ._references import References
    from ._residuals import Residuals

LIKELIHOODS = ("multinomial", "nb")

SCORES_AT_A_TIME = 2**24
"""Cells times references of a block: arrays of 64 MiB, of which a few are alive together."""

WEIGHTS_KEPT = 100
"""Weights of a cell to store; those of very shallow cells are spread over thousands of references."""


class Refinement(NamedTuple):
    """What was found for each cell; see :class:`lowdepth.tl._refinement._posterior_weights.Posterior`."""

    latent: NDArray[np.float32]
    n_references: NDArray[np.float32]
    entropy: NDArray[np.float32]
    weights: sp.csr_matrix | None


def check_likelihood(likelihood: str, module: VAE) -> None:
    """Raise unless the likelihood is known, and one that the decoder can give."""
    one_of("likelihood", likelihood, LIKELIHOODS)
    if likelihood == "multinomial":
        return
    fits = {
        f"gene_likelihood={module.gene_likelihood!r}": module.gene_likelihood in {"nb", "zinb"},
        f"dispersion={module.dispersion!r}": module.dispersion in {"gene", "gene-batch"},
        "size factors": not module.use_size_factor_key,
    }
    if not all(fits.values()):
        unfit = ", ".join(reason for reason, fit in fits.items() if not fit)
        msg = f"`likelihood='nb'` is not there for a model with {unfit}; use `likelihood='multinomial'`"
        raise NotImplementedError(msg)


@torch.no_grad()
def refine(
    module: VAE,
    groups: list[Group],
    portions: Iterable[Portion],
    total_umi: NDArray[np.float64],
    references: References,
    *,
    residuals: Residuals | None,
    likelihood: str,
    temperature: float,
    n_neighbors: int,
    store_weights: bool,
    progress_bar: bool = False,
) -> Refinement:
    """Compare cells with references.

    Parameters
    ----------
    module
        Decoder of the references.
    groups
        Of the cells, which share their decoded references. These are decoded again for each portion.
    portions
        The cells, CSR with sorted columns.
    total_umi
        UMIs of the cells.
    references
        Those to compare with.
    residuals
        What corrects their decoded profiles.
    likelihood
        One of ``LIKELIHOODS``.
    temperature
        Divides the log-likelihood.
    n_neighbors
        References that speak with each.
    store_weights
        Give the largest weights, cells by references.
    progress_bar
        Show how many cells are done.
    """
    latent, log_prior = torch.from_numpy(references.latent), torch.from_numpy(np.log(references.weight)).float()
    neighborhoods = Neighborhoods(latent, n_neighbors)
    n_cells = len(total_umi)
    refined = Refinement(
        np.empty((n_cells, latent.shape[1]), np.float32),
        np.empty(n_cells, np.float32),
        np.empty(n_cells, np.float32),
        None,
    )
    entries = []
    with tqdm(total=n_cells, desc="refining", unit="cell", disable=not progress_bar) as progress:
        for portion in portions:
            for group in groups:
                positions, rows = group.within(portion)
                if not len(rows):
                    continue
                if likelihood == "multinomial":
                    profiles = multinomial(module, latent, group.covariates, residuals)
                else:
                    umis = total_umi[group.positions]
                    decoded = corrected(module, latent, group.covariates, residuals)
                    profiles = NegativeBinomial(decoded, (umis.min(), umis.max()))
                for block in blocks(len(rows), max(1, SCORES_AT_A_TIME // len(latent))):
                    own = positions[block]
                    scores = neighborhoods.mean(profiles.scores(take_rows(portion.counts, rows[block])))
                    part = posterior(scores, log_prior, latent, temperature=temperature)
                    refined.latent[own] = part.mean
                    refined.n_references[own] = part.n_references
                    refined.entropy[own] = part.entropy
                    if store_weights:
                        kept, reference = largest(part.weights, WEIGHTS_KEPT)
                        entries.append((kept.numpy(), own, reference.numpy()))
                    progress.update(len(own))
                del profiles  # the next group's profiles need the room
    return refined._replace(weights=_matrix(entries, (n_cells, len(latent)))) if store_weights else refined


def _matrix(
    entries: list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]], shape: tuple[int, int]
) -> sp.csr_matrix:
    weights, cells, references = zip(*entries, strict=True)
    rows = np.concatenate([np.repeat(own, kept.shape[1]) for own, kept in zip(cells, weights, strict=True)])
    columns, values = (np.concatenate([part.ravel() for part in parts]) for parts in (references, weights))
    matrix = sp.csr_matrix((values, (rows, columns)), shape=shape)
    matrix.eliminate_zeros()
    return matrix
