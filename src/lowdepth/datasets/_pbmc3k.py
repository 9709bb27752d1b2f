"""Real cells that are there without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from anndata import read_h5ad

if TYPE_CHECKING:
    from anndata import AnnData

_SHIPPED = Path(__file__).parent / "_data" / "pbmc3k.h5ad"


def pbmc3k() -> AnnData:
    """Load 2,638 blood cells (PBMC) of a healthy donor by 13,714 genes, from the installed package.

    The counts are "3k PBMCs from a Healthy Donor" by 10x Genomics, licensed CC BY 4.0. The
    cell types were derived from them by ``scripts/derive_pbmc3k_cell_types.py`` in the
    repository: majority of 50 Leiden clusterings of scanpy, named by marker genes. The
    border of naive and memory CD4 T cells is the least certain one.

    Returns
    -------
    Raw UMI counts in ``X``, a float32 CSR matrix (median 2,213 UMIs and 819 genes a cell), and

    ``obs["cell_type"]`` : nine types, from 636 naive CD4 T cells to 15 megakaryocytes
    ``var["gene_id"]`` : Ensembl identifiers; the names are gene symbols

    Examples
    --------
    >>> import lowdepth as ld
    >>> adata = ld.datasets.pbmc3k()
    >>> adata.shape
    (2638, 13714)
    >>> adata.obs["cell_type"].value_counts().head(3).to_dict()
    {'naive CD4 T': 636, 'memory CD4 T': 513, 'CD14 monocyte': 477}
    """
    adata = read_h5ad(_SHIPPED)
    # stored gene by gene in two bytes, which packs best
    adata.X = adata.X.tocsr().astype(np.float32)
    return adata
