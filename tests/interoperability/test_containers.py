"""The containers of scverse around an AnnData: a modality of MuData, a table of SpatialData."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from finished_cells import LOW_UMI, QUIET, TRAINING
from helpers import counts_adata

import lowdepth as ld


def rescue(adata):
    ld.pp.depth_metrics(adata, low_umi=LOW_UMI)
    model = ld.tl.joint_embedding(adata, low_umi=LOW_UMI, refine=True, **TRAINING, **QUIET)
    ld.tl.label_transfer(adata, "cell_type", model=model, low_umi=LOW_UMI, n_neighbors=5, rng=0)


# mudata 0.4 drops columns in a way that pandas 3.1 deprecates, and renames them in one that pandas 2 warns of
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
@pytest.mark.filterwarnings(r"ignore:\s*A value is trying to be set on a copy")
def test_the_rna_modality_of_mudata(tmp_path):
    mudata = pytest.importorskip("mudata")
    rna, alone = counts_adata(90), counts_adata(90)
    proteins = ad.AnnData(np.ones((60, 4), np.float32), pd.DataFrame(index=rna.obs_names[:60]))
    cells = mudata.MuData({"rna": rna, "proteins": proteins})
    rescue(cells["rna"])
    rescue(alone)
    cells.update()
    cells.pull_obs(columns=["rna:label_transfer"])
    cells.write(tmp_path / "cells.h5mu")
    back = mudata.read(tmp_path / "cells.h5mu")
    np.testing.assert_array_equal(back["rna"].obsm["X_joint_embedding"], alone.obsm["X_joint_embedding"])
    assert (back.obs["rna:label_transfer"].astype(str) == alone.obs["label_transfer"].astype(str)).all()
    assert back["proteins"].shape == (60, 4)


def test_a_table_of_spatialdata(tmp_path):
    """Such a table is an AnnData whose cells point to shapes: what they point by has to stay."""
    adata = counts_adata(90)
    adata.obs["region"] = pd.Categorical(["cells"] * adata.n_obs)
    adata.obs["cell_id"] = np.arange(adata.n_obs)
    adata.obsm["spatial"] = np.random.default_rng(0).normal(size=(adata.n_obs, 2))
    adata.uns["spatialdata_attrs"] = {"region": "cells", "region_key": "region", "instance_key": "cell_id"}
    before = adata.copy()
    rescue(adata)
    ld.pl.low_umi_overlay(adata, "spatial", color="label_transfer", low_umi=LOW_UMI)
    adata.write_zarr(tmp_path / "table")
    back = ad.read_zarr(tmp_path / "table")
    assert back.uns["spatialdata_attrs"] == before.uns["spatialdata_attrs"]
    pd.testing.assert_frame_equal(back.obs[["region", "cell_id"]], before.obs[["region", "cell_id"]])
    np.testing.assert_array_equal(back.obsm["spatial"], before.obsm["spatial"])


def test_a_filtered_table_of_spatialdata_still_points_to_its_shapes():
    adata = counts_adata(90)
    adata.obs["cell_id"] = np.arange(adata.n_obs)
    ld.pp.filter_low_umi(adata, LOW_UMI)
    assert 0 < adata.n_obs < 90
    assert list(adata.obs["cell_id"]) == [int(name.removeprefix("cell ")) for name in adata.obs_names]
