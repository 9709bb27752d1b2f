"""``lowdepth rescue``: the whole job on the user's own cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lowdepth as ld
from lowdepth._checks import check_own_columns, labels
from lowdepth._keys import CutoffKeys, DepthKeys, RefineKeys, TransferKeys
from lowdepth.tl._transfer._label_transfer import check_own_labels

from ._checkpoint import Checkpoint
from ._files_of import check_files, read, write

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from anndata import AnnData

FEWEST_UMI = 20
"""The floor of the method's tutorial."""


def add_arguments(command: ArgumentParser) -> None:
    """Say what the command takes."""
    command.add_argument("file", type=Path, help="cells with raw counts, .h5ad or .zarr; stays as it is")
    command.add_argument("--out", type=Path, required=True, help="the cells with all results, .h5ad or .zarr")
    command.add_argument("--report", type=Path, help="HTML page of what was done")
    command.add_argument("--batch-key", help="column of obs whose effect the embedding should not show")
    command.add_argument("--label-key", help="column of obs with the types of deep cells, to give to shallow ones")
    command.add_argument("--layer", help="layer that holds the raw counts (default: X)")
    command.add_argument("--low-umi", type=float, default=1000, help="cells below are shallow (default: 1000)")
    command.add_argument(
        "--min-umi", type=float, default=FEWEST_UMI, help="cells below are dropped (default: 20; 0 drops none)"
    )
    command.add_argument("--max-epochs", type=int, help="passes over the data (default: by the number of cells)")
    command.add_argument("--batch-size", type=int, default=512, help="cells per optimiser step (default: 512)")
    command.add_argument("--accelerator", default="auto", help="cpu, gpu, mps or auto (default)")
    command.add_argument("--seed", type=int, default=0, help="seed of all that is random (default: 0)")
    command.add_argument("--no-progress", dest="progress_bar", action="store_false", help="show no progress bars")


def rescue(
    *,
    file: Path,
    out: Path,
    report: Path | None,
    batch_key: str | None,
    label_key: str | None,
    layer: str | None,
    low_umi: float,
    min_umi: float,
    max_epochs: int | None,
    batch_size: int,
    accelerator: str,
    seed: int,
    progress_bar: bool,
) -> None:
    """Embed, refine, label, recommend a cutoff and report; a finished embedding is taken up again."""
    check_files(file, out, report)
    adata = read(file)
    _check_columns(adata, label_key)  # raises before the training rather than after it
    _drop_shallowest(adata, min_umi, layer)
    ld.pp.depth_metrics(adata, low_umi=low_umi, layer=layer)
    settings: dict[str, Any] = {
        "layer": layer,
        "batch_key": batch_key,
        "low_umi": low_umi,
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "rng": seed,
    }
    checkpoint = Checkpoint(out, settings, adata)
    model = checkpoint.load(adata)
    if model is None:
        print("training")
        model = ld.tl.joint_embedding(
            adata, **settings, refine=True, accelerator=accelerator, progress_bar=progress_bar
        )
        checkpoint.save(adata, model)
    else:
        print(f"taking up the embedding in {checkpoint.folder}")
    if label_key is not None:
        print("transferring labels")
        ld.tl.label_transfer(adata, label_key, model=model, low_umi=low_umi, rng=seed, progress_bar=progress_bar)
    print("looking for a cutoff")
    ld.tl.recommend_cutoff(
        adata, model, label_key, low_umi=low_umi, sample_key=batch_key, rng=seed, progress_bar=progress_bar
    )
    if report is not None:
        print("laying out the cells")
        ld.tl.tsne(adata, use_rep=RefineKeys.obsm, perplexity=min(30, (adata.n_obs - 1) / 3), rng=seed)
    adata.uns["rescue"] = {"params": {"file": file.name, "min_umi": min_umi, "rng": seed}}
    write(adata, out)
    print(_summary(adata))
    print(f"cells: {out.resolve()}")
    if report is not None:
        print(f"report: {ld.report(adata, report, title=f'Cells with few UMIs: {file.name}').resolve()}")
    checkpoint.clear()


def _check_columns(adata: AnnData, label_key: str | None) -> None:
    check_own_columns(adata, CutoffKeys.obs, entry="cutoffs", function="ld.tl.recommend_cutoff")
    if label_key is not None:
        labels(adata, label_key)
        check_own_labels(adata, TransferKeys())


def _drop_shallowest(adata: AnnData, min_umi: float, layer: str | None) -> None:
    n_obs = adata.n_obs
    ld.pp.filter_low_umi(adata, min_umi, layer=layer)
    print(f"{adata.n_obs:,} cells x {adata.n_vars:,} genes; {n_obs - adata.n_obs:,} dropped below {min_umi:,.10g} UMIs")


def _summary(adata: AnnData) -> str:
    shallow = adata.obs[DepthKeys.low_umi].to_numpy()
    counts = adata.obs[CutoffKeys.obs][shallow].value_counts(sort=False)
    choices = ", ".join(f"{choice} {n:,}" for choice, n in counts.items())
    return f"{int(shallow.sum()):,} shallow cells: {choices}"
