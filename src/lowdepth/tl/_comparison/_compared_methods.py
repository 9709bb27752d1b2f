"""The methods that :func:`lowdepth.tl.compare` knows, and those that users bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scanpy as sc
from anndata import AnnData

from lowdepth._checks import one_of
from lowdepth._keys import EmbeddingKeys
from lowdepth.tl._joint_embedding import joint_embedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

type Embed = Callable[[AnnData, int], Any]
"""Gives cells by dimensions for cells and a seed."""

type Methods = Sequence[str] | Mapping[str, str | Embed]
"""Names of known methods, or by the user's own names the names of known ones or functions."""

KNOWN = "pca", "scvi", "paper", "denoise"


def embeddings(
    methods: Methods, *, batch_key: str | None, n_latent: int, low_umi: float, **training: Any
) -> dict[str, Embed]:
    """Give each method's function, by the name to show."""

    def trained(preset: str) -> Embed:
        def embed(cells: AnnData, seed: int) -> Any:
            joint_embedding(
                cells,
                batch_key=batch_key,
                preset=preset,
                n_latent=n_latent,
                low_umi=low_umi,
                rng=seed,
                progress_bar=False,
                **training,
            )
            return cells.obsm[EmbeddingKeys.obsm]

        return embed

    named = methods if isinstance(methods, Mapping) else {name: name for name in _listed(methods)}
    if not named:
        msg = f"`methods` names no method; give some of {', '.join(KNOWN)}, or functions by name"
        raise ValueError(msg)
    chosen: dict[str, Embed] = {}
    for name, method in named.items():
        if callable(method):
            chosen[name] = method
            continue
        one_of("methods", method, KNOWN)
        chosen[name] = trained(method) if method != "pca" else lambda cells, _: principal_components(cells, n_latent)
    return chosen


def embedded(name: str, embed: Embed, cells: AnnData, seed: int) -> NDArray[Any]:
    """Embed a copy of the cells, and check what comes back."""
    latent = np.asarray(embed(cells.copy(), seed))
    if latent.ndim != 2 or len(latent) != cells.n_obs:
        msg = f"method {name!r} gave an array of shape {latent.shape}; expected one row for each of {cells.n_obs} cells"
        raise ValueError(msg)
    return latent


def principal_components(cells: AnnData, n_latent: int) -> NDArray[Any]:
    """Give those of log-normalised counts, what people use who use no model."""
    sc.pp.normalize_total(cells)
    sc.pp.log1p(cells)
    sc.pp.pca(cells, n_comps=min(n_latent, *(size - 1 for size in cells.shape)))
    return np.asarray(cells.obsm["X_pca"])


def _listed(methods: Sequence[str]) -> list[str]:
    return [methods] if isinstance(methods, str) else list(methods)
