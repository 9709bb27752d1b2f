"""The ways in which users' data are broken: each takes good cells and a good model, and spoils one thing."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anndata as ad
import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData


@dataclass
class Given:
    """What a function is called with."""

    adata: AnnData
    model: Any
    options: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    record_key: str | None = None


def holding(value):
    """Put one bad count into the middle of a dense ``X``."""

    def spoil(given):
        counts = given.adata.X.toarray().astype(np.result_type(np.float32, type(value)))
        counts[17, 23] = value
        given.adata.X = counts

    return spoil


def in_sparse_layer(value):
    """Put one bad count into a sparse layer."""

    def spoil(given):
        holding(value)(given)
        given.adata.layers["counts"] = sp.csr_matrix(given.adata.X)
        given.options["layer"] = "counts"

    return spoil


def with_x(convert):
    """Store ``X`` in another way."""

    def spoil(given):
        given.adata.X = convert(given.adata.X)

    return spoil


def take(rows, columns=slice(None)):
    """Take some cells and genes."""

    def spoil(given):
        given.adata = given.adata[rows, columns].copy()

    return spoil


def view(given):
    given.adata = given.adata[:, :]


def no_x(given):
    del given.adata.layers["counts"]
    given.adata.X = None


def empty_cell(given):
    counts = given.adata.X.toarray()
    counts[5] = 0
    given.adata.X = sp.csr_matrix(counts)


def backed(given):
    # tables of `uns` take longest to write; what they are about goes with them
    written = [column for column in given.adata.obs if column.startswith(tuple(given.adata.uns))]
    given.adata.obs = given.adata.obs.drop(columns=written)
    given.adata.uns = {}
    given.adata.write_h5ad(given.path)
    given.adata = ad.read_h5ad(given.path, backed="r")


def duplicate_cells(given):
    given.adata.obs_names = ["same"] * given.adata.n_obs


def duplicate_genes(given):
    given.adata.var_names = ["same"] * given.adata.n_vars


def column(name, values):
    """Put another column into ``obs``: values, or a function of the cells that gives them."""

    def spoil(given):
        given.adata.obs[name] = values(given.adata) if callable(values) else values

    return spoil


def without_column(*names):
    def spoil(given):
        given.adata.obs = given.adata.obs.drop(columns=list(names))

    return spoil


def depth(value):
    """Put another depth in the place of one."""

    def spoil(given):
        for name in ("total_umi", "log10_umi"):
            depths = given.adata.obs[name].astype(object)
            depths.iloc[3] = value
            given.adata.obs[name] = depths if isinstance(value, str) else depths.astype(float)

    return spoil


def option(name, value):
    """Pass something else."""

    def spoil(given):
        given.options[name] = value(given) if callable(value) else value

    return spoil


def missing_in(rows):
    """Give a function of cells that makes some labels missing."""

    def values(adata):
        labels = adata.obs["cell_type"].copy()
        labels.iloc[rows] = np.nan
        return labels

    return values


def only_shallow(adata):
    """Give the shallowest cell a type of its own."""
    labels = adata.obs["cell_type"].astype(object)
    labels.iloc[int(np.argmin(adata.X.sum(axis=1)))] = "own"
    return pd.Categorical(labels)


def latent(change):
    """Change the embedding."""

    def spoil(given):
        key = "X_joint_embedding"
        given.adata.obsm[key] = change(np.array(given.adata.obsm[key], np.float64))

    return spoil


def framed(values):
    return pd.DataFrame(values, [f"cell {i}" for i in range(len(values))], ["a", "b"])


def with_value(value, rows):
    def change(values):
        values[rows] = value
        return values

    return change


def without_latent(given):
    del given.adata.obsm["X_joint_embedding"]


def record(content):
    """Put something else where a step has left its record."""

    def spoil(given):
        del given.adata.uns[given.record_key]
        if content is not None:
            given.adata.uns[given.record_key] = content

    return spoil


def model_class(given):
    given.model = object()


def no_model(given):
    given.model = None


def untrained(given):
    as_copy(given).is_trained_ = False


def as_copy(given):
    """Give a model whose own attributes can be changed."""
    given.model = copy(given.model)
    return given.model


def without_data(given):
    as_copy(given)._adata = None
    given.model._adata_manager = None


def minified(given):
    model = as_copy(given)
    model.__class__ = type("Minified", (type(model),), {"minified_data_type": "latent_posterior_parameters"})


def diverged(given):
    as_copy(given).module = deepcopy(given.model.module)
    given.model.module.px_r.data[0] = np.nan


def other_genes(given):
    given.adata.var_names = [f"other {name}" for name in given.adata.var_names]


def reordered_genes(given):
    given.adata = given.adata[:, ::-1].copy()


BREAKAGES = {
    "counts": {
        "negative": holding(-2),
        "NaN": holding(np.nan),
        "infinite": holding(np.inf),
        "minus infinity": holding(-np.inf),
        "fractional": holding(2.5),
        "log-normalised": with_x(lambda counts: counts.log1p()),
        "complex": with_x(lambda counts: counts.toarray().astype(np.complex64)),
        "half precision": with_x(lambda counts: counts.toarray().astype(np.float16)),
        "objects": with_x(lambda counts: counts.toarray().astype(object)),
        "other byte order": with_x(lambda counts: counts.toarray().astype(">i4")),
        "no X": no_x,
        "no cells": take(slice(0)),
        "no genes": take(slice(None), slice(0)),
        "one cell": take(slice(1)),
        "one gene": take(slice(None), slice(1)),
        "cell without UMIs": empty_cell,
        "no such layer": option("layer", "count"),
        "negative in a sparse layer": in_sparse_layer(-2),
        "NaN in a sparse layer": in_sparse_layer(np.nan),
        "fractional in a sparse layer": in_sparse_layer(2.5),
        "dask": with_x(lambda counts: da.from_array(counts.toarray(), chunks=(20, 40))),
        "bad dask block": with_x(lambda counts: da.from_array(np.where(counts.toarray() > 0, 0.5, 0), chunks=(20, 40))),
        "sparse array": with_x(sp.csr_array),
        "backed": backed,
        "view": view,
        "duplicate cell names": duplicate_cells,
        "duplicate gene names": duplicate_genes,
    },
    "depths": {
        "no depths": without_column("total_umi", "log10_umi"),
        "depth NaN": depth(np.nan),
        "depth infinite": depth(np.inf),
        "depth negative": depth(-9.0),
        "depth text": depth("deep"),
    },
    "labels": {
        "no such column": option("LABEL", "cell_typ"),
        "no label at all": column("cell_type", np.nan),
        "some labels missing": column("cell_type", missing_in(slice(0, 9))),
        "one label": column("cell_type", "T cell"),
        "a label in shallow cells only": column("cell_type", only_shallow),
        "labels are numbers": column("cell_type", lambda a: np.arange(a.n_obs) % 3),
        "labels of two kinds": column("cell_type", lambda a: np.array(["x", 1] * (a.n_obs // 2), object)),
        "labels are booleans": column("cell_type", lambda a: np.arange(a.n_obs) % 2 == 0),
        "labels are strings": column("cell_type", lambda a: a.obs["cell_type"].astype("string")),
    },
    "batch": {
        "no such batch column": option("BATCH", "batsh"),
        "batch missing": column("batch", lambda a: a.obs["batch"].where(np.arange(a.n_obs) > 2)),
        "no batch at all": column("batch", np.nan),
        "batch of one cell": column("batch", lambda a: pd.Categorical(np.where(np.arange(a.n_obs) == 3, "b1", "b0"))),
    },
    "latent": {
        "no such representation": without_latent,
        "latent NaN": latent(with_value(np.nan, slice(0, 4))),
        "latent infinite": latent(with_value(np.inf, slice(0, 4))),
        "latent NaN everywhere": latent(with_value(np.nan, slice(None))),
        "latent without dimensions": latent(lambda values: values[:, :0]),
        "latent sparse": latent(sp.csr_matrix),
        "latent data frame": latent(framed),
        "latent text": latent(lambda values: framed(values.astype(str).astype(object))),
        "latent of three dimensions": latent(lambda values: np.column_stack([values, values[:, 0]])),
        "latent in a block": latent(lambda values: np.stack([values, values], axis=2)),
        "latent integers": latent(lambda values: np.rint(100 * values).astype(np.int64)),
        "latent constant": latent(np.ones_like),
    },
    "cutoff": {
        "cutoff NaN": option("low_umi", np.nan),
        "cutoff negative": option("low_umi", -1),
        "cutoff infinite": option("low_umi", np.inf),
        "cutoff above all cells": option("low_umi", 10**6),
        "cutoff below all cells": option("low_umi", 1),
    },
    "record": {
        "no record": record(None),
        "record of another step": record({"params": {"rng": 0}}),
        "record is a text": record("text"),
    },
    "model": {
        "not a model": model_class,
        "untrained model": untrained,
        "model without data": without_data,
        "minified model": minified,
        "diverged model": diverged,
        "other genes": other_genes,
        "genes in another order": reordered_genes,
        "no batch column of the model": without_column("batch"),
        "new batch": column("batch", "b7"),
        "model's batch missing": column("batch", lambda a: a.obs["batch"].where(np.arange(a.n_obs) > 2)),
    },
}
