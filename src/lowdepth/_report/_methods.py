"""Section: what was done, as a paragraph to paste and as tables of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from lowdepth._keys import EmbeddingKeys, EmulateKeys, RefineKeys

from ._content import Section, Table, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._found import Found

PACKAGES = ("lowdepth", "scvi-tools", "torch", "anndata")
METHOD = "Svensson 2026, doi:10.64898/2026.02.11.705441"
OBJECTIVES = {
    "denoise": "an encoder that does not see depth and the full counts decoded from thinned ones",
    "paper": "the published joint-embedding objective",
    "scvi": "plain scVI",
}
TRANSFERS = {
    "posterior": "by the weights of deep cells in the posterior given their counts",
    "depth_matched": "by the votes of nearest neighbours among deep cells thinned to the same depth",
    "knn": "by the votes of their nearest neighbours",
}


def methods_section(found: Found) -> Section:
    """Say what was run, with which parameters, seeds and versions."""
    records = {key: found.params(key) for key in sorted(found.adata.uns) if found.params(key)}
    versions = found.record(EmbeddingKeys(found.use_rep).uns).get("versions", {})
    return Section(
        title="What was done",
        paragraphs=[" ".join(_sentences(found))],
        tables=[
            Table(
                caption="Parameters and seeds (rng), as recorded by each step",
                header=["step", "parameter", "value"],
                rows=[[key, name, shown(value)] for key, params in records.items() for name, value in params.items()],
            ),
            Table(
                caption="Versions",
                header=["package", "at the training" if versions else "now"],
                rows=[[package, str(versions.get(package) or version(package))] for package in PACKAGES],
            ),
        ],
    )


def _sentences(found: Found) -> Iterator[str]:
    yield f"The data hold {found.adata.n_obs:,} cells and {found.n_vars:,} genes."
    if found.record(EmulateKeys.uns):
        yield "Low depth was emulated by binomial thinning of the counts."
    yield from _of_embedding(found)
    yield from _of_refinement(found)
    yield from _of_transfer(found)


def _of_embedding(found: Found) -> Iterator[str]:
    record = found.record(EmbeddingKeys(found.use_rep).uns)
    if not isinstance(record.get("versions"), Mapping):
        return
    params, versions = record["params"], record["versions"]
    batches = f", batches from {params['batch_key']!r}" if "batch_key" in params else ""
    seed = f", seed {params['rng']}" if "rng" in params else ""
    yield (
        f"Cells of all depths were embedded together with lowdepth {versions['lowdepth']} ({METHOD}), using "
        f"{OBJECTIVES[params['preset']]} (preset {params['preset']!r}, {params['n_latent']} dimensions, "
        f"{params['max_epochs']} epochs, {params['batch_size']} cells a minibatch, learning rate "
        f"{shown(params['lr'])}{batches}{seed}), on scvi-tools {versions['scvi-tools']} and torch {versions['torch']}."
    )


def _of_refinement(found: Found) -> Iterator[str]:
    params = found.params(RefineKeys(f"{found.use_rep}_refined").uns)
    if "n_references" in params:
        corrections = {
            "corrected by what pools of these cells show beyond them": params["residuals"],
            f"each together with its {params['n_neighbors']} nearest": params["n_neighbors"],
        }
        how = "".join(f", {correction}" for correction, is_made in corrections.items() if is_made)
        profiles = f"decoded profiles{how}," if how else "decoded profiles"
        yield (
            f"Cells below {params['low_umi']:,.10g} UMIs were moved to the mean of {params['n_references']:,} deep "
            f"cells, weighted by how well their {profiles} explain the counts ({params['likelihood']} "
            f"likelihood, temperature {shown(params['temperature'])}); no labels were used."
        )


def _of_transfer(found: Found) -> Iterator[str]:
    if not found.transferred:
        return
    record, params = found.transferred, found.transferred["params"]
    reference = "the reference" if "reference" in params else f"cells with {params['low_umi']:,.10g} UMIs or more"
    yield f"Labels {params['label_key']!r} of {reference} were given to the other cells {TRANSFERS[params['method']]}."
    if "calibration" in record:
        yield (
            f"Their probabilities were calibrated on {len(record['held_out']['label']):,} predictions for labelled "
            "cells that were thinned to the depths of the others and held out."
        )
    if "prior" in record:
        yield "Type frequencies among the labelled cells were corrected for (Saerens et al. 2002)."
