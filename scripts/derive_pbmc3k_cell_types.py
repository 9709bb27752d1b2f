"""Derive the cell types of the shipped pbmc3k data from its counts, and write the shipped file.

    uv run --group test python scripts/derive_pbmc3k_cell_types.py COUNTS

COUNTS is an h5ad file of raw counts, or the folder of a 10x matrix (`matrix.mtx`,
`barcodes.tsv`, `genes.tsv`), of "3k PBMCs from a Healthy Donor", 10x Genomics, CC BY 4.0.
An h5ad file is taken as it is. From a folder, the cells and genes of scanpy's clustering
tutorial are kept (2,638 cells, 13,714 genes).

Decisions, in the order of the code:

* The graph of cells has scanpy's default 15 neighbours, on 20 principal components of 2,000
  highly variable genes. The genes are scaled, since otherwise the many UMIs of monocyte
  genes outweigh the few that tell T cells apart.
* Leiden runs at its default resolution of 1, with 50 seeds. Each run's clusters get the type
  whose markers score highest in them, standardised over all cells; each cell gets the type
  that most runs give it. Two runs differ in about 6 % of the cells, mostly across the borders of
  naive and memory CD4 T cells, and of the two kinds of monocytes.
* No cell is named by its own markers: single cells are too shallow for that, and it would
  favour methods that look at those markers.
* Every random number is seeded. Other versions of scanpy or igraph may still move a few
  cells, so the shipped file, not this script, is the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from anndata.io import write_elem

MARKERS = {
    # CCR7, SELL: homing to lymph nodes; LEF1, TCF7: transcription factors that effectors lose
    "naive CD4 T": ["CCR7", "SELL", "LEF1", "TCF7", "MAL", "NOSIP", "PIK3IP1"],
    # lost and gained with the first antigen: adhesion (CD2, ITGB1), cytokines (IL32, LTB)
    "memory CD4 T": ["IL7R", "IL32", "LTB", "AQP3", "TNFRSF4", "CD2", "ITGB1", "ANXA1"],
    # the co-receptor CD8, and GZMK and CCL5 of its memory cells; CD3D tells them from NK cells
    "CD8 T": ["CD8A", "CD8B", "GZMK", "CCL5", "CD3D"],
    # cytotoxic granules and the receptors of cells without CD3
    "NK": ["GNLY", "PRF1", "KLRD1", "SPON2", "FGFBP2"],
    # CD20 and the two chains of the B-cell receptor's signal
    "B": ["MS4A1", "CD79A", "CD79B"],
    # classical monocytes: CD14, lysozyme and calprotectin
    "CD14 monocyte": ["CD14", "LYZ", "S100A8", "S100A9"],
    # non-classical monocytes: CD16 (FCGR3A)
    "FCGR3A monocyte": ["FCGR3A", "MS4A7", "CDKN1C", "LST1"],
    # conventional dendritic cells, type 2
    "dendritic": ["FCER1A", "CLEC10A", "CD1C", "CLIC2"],
    # platelets and their mother cells; SDPR is the older name of CAVIN2
    "megakaryocyte": ["PPBP", "PF4", "GNG11", "SDPR"],
}

SHIPPED = Path(__file__).parents[1] / "src/lowdepth/datasets/_data/pbmc3k.h5ad"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    counts = read_counts(arguments.counts)
    counts.obs["cell_type"] = cell_types(counts)
    write(counts, arguments.out)
    print(counts.obs["cell_type"].value_counts().to_string())


def read_counts(path: Path) -> AnnData:
    adata = sc.read_10x_mtx(path) if path.is_dir() else sc.read_h5ad(path)
    if path.is_dir():
        adata.var = adata.var.rename(columns={"gene_ids": "gene_id"})
        sc.pp.filter_cells(adata, min_genes=200)
        sc.pp.filter_genes(adata, min_cells=3)
        mitochondrial = np.asarray(adata[:, adata.var_names.str.startswith("MT-")].X.sum(axis=1)).ravel()
        total = np.asarray(adata.X.sum(axis=1)).ravel()
        adata = adata[(adata.obs["n_genes"] < 2500) & (mitochondrial / total < 0.05)].copy()
    # only counts, barcodes and genes are taken over: no label, no metric, no name of an index
    return AnnData(
        adata.X.tocsr(),
        obs=pd.DataFrame(index=adata.obs_names.rename(None)),
        var=adata.var[["gene_id"]].rename_axis(None),
    )


def cell_types(counts: AnnData) -> pd.Categorical:
    log_normalised = counts.copy()
    log_normalised.X = log_normalised.X.astype(np.float64)
    sc.pp.normalize_total(log_normalised, target_sum=1e4)
    sc.pp.log1p(log_normalised)
    scores = marker_scores(log_normalised)
    graph = neighbour_graph(log_normalised)
    votes = np.zeros(scores.shape)
    for seed in range(50):
        sc.tl.leiden(graph, flavor="igraph", n_iterations=-1, directed=False, random_state=seed)
        mean_scores = scores.groupby(graph.obs["leiden"], observed=True).mean()
        type_of_cluster = mean_scores.to_numpy().argmax(axis=1)
        votes[np.arange(len(votes)), type_of_cluster[graph.obs["leiden"].cat.codes]] += 1
    return pd.Categorical.from_codes(votes.argmax(axis=1), categories=list(MARKERS))


def marker_scores(log_normalised: AnnData) -> pd.DataFrame:
    for cell_type, genes in MARKERS.items():
        sc.tl.score_genes(log_normalised, genes, score_name=cell_type, random_state=0)
    scores = log_normalised.obs[list(MARKERS)]
    return (scores - scores.mean()) / scores.std()


def neighbour_graph(log_normalised: AnnData) -> AnnData:
    sc.pp.highly_variable_genes(log_normalised, n_top_genes=2000)
    scaled = log_normalised[:, log_normalised.var["highly_variable"]].copy()
    scaled.X = scaled.X.toarray()
    sc.pp.scale(scaled, max_value=10)
    sc.pp.pca(scaled, n_comps=20, svd_solver="full")
    sc.pp.neighbors(scaled, random_state=0)
    return scaled


def write(counts: AnnData, path: Path) -> None:
    # two-byte counts, gene by gene, with the bytes shuffled: 2.6 MB instead of 4.4 as float32 by cell
    compact = AnnData(counts.X.tocsc().astype(np.uint16), obs=counts.obs, var=counts.var)
    with h5py.File(path, "w") as file:
        write_elem(file, "/", compact, dataset_kwargs={"compression": "gzip", "compression_opts": 9, "shuffle": True})


if __name__ == "__main__":
    main()
