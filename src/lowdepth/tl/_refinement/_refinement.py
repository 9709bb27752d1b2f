"""The refinement of many cells: in groups that share their decoded references, in blocks that bound memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from tqdm.auto import tqdm

from lowdepth._checks import one_of, total_umis
from lowdepth.model.engine import take_rows

from ._posterior_weights import largest, posterior
from ._profile_likelihood import NegativeBinomial
from ._reference_profiles import covariate_groups, decode
from ._softmax_decoder import multinomial

if TYPE_CHECKING:
    from fast_array_utils.types import CSBase
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from scvi.module import VAE

    from ._references import References

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
    manager: AnnDataManager,
    counts: CSBase,
    cells: NDArray[np.int64],
    references: References,
    *,
    likelihood: str,
    temperature: float,
    store_weights: bool,
    progress_bar: bool = False,
) -> Refinement:
    """Compare cells with references.

    Parameters
    ----------
    module
        Decoder of the references.
    manager
        Knows the batch and covariates of the cells.
    counts
        All cells, CSR with sorted columns.
    cells
        Those to refine.
    references
        Those to compare with.
    likelihood
        One of ``LIKELIHOODS``.
    temperature
        Divides the log-likelihood.
    store_weights
        Give the largest weights, all cells by all cells.
    progress_bar
        Show how many cells are done.
    """
    latent, log_prior = torch.from_numpy(references.latent), torch.from_numpy(np.log(references.weight)).float()
    refined = Refinement(
        np.empty((len(cells), latent.shape[1]), np.float32),
        np.empty(len(cells), np.float32),
        np.empty(len(cells), np.float32),
        None,
    )
    umis, entries = total_umis(counts)[cells], []
    with tqdm(total=len(cells), desc="refining", unit="cell", disable=not progress_bar) as progress:
        for group in covariate_groups(manager, cells):
            if likelihood == "multinomial":
                profiles = multinomial(module, latent, group.covariates)
            else:
                own = umis[group.positions]
                profiles = NegativeBinomial(decode(module, latent, group.covariates), (own.min(), own.max()))
            for positions in _blocks(group.positions, len(latent)):
                scores = profiles.scores(take_rows(counts, cells[positions]))
                part = posterior(scores, log_prior, latent, temperature=temperature)
                refined.latent[positions] = part.mean
                refined.n_references[positions] = part.n_references
                refined.entropy[positions] = part.entropy
                if store_weights:
                    kept, reference = largest(part.weights, WEIGHTS_KEPT)
                    entries.append((kept.numpy(), cells[positions], references.cells[reference.numpy()]))
                progress.update(len(positions))
            del profiles  # the next group's profiles need the room
    return refined._replace(weights=_matrix(entries, counts.shape[0])) if store_weights else refined


def _blocks(positions: NDArray[np.int64], n_references: int) -> list[NDArray[np.int64]]:
    n_at_a_time = max(1, SCORES_AT_A_TIME // n_references)
    return np.split(positions, range(n_at_a_time, len(positions), n_at_a_time))


def _matrix(
    entries: list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]], n_obs: int
) -> sp.csr_matrix:
    weights, cells, references = zip(*entries, strict=True)
    rows = np.concatenate([np.repeat(own, kept.shape[1]) for own, kept in zip(cells, weights, strict=True)])
    columns, values = (np.concatenate([part.ravel() for part in parts]) for parts in (references, weights))
    matrix = sp.csr_matrix((values, (rows, columns)), shape=(n_obs, n_obs))
    matrix.eliminate_zeros()
    return matrix
