"""What several test files share: a small data set, and the promise that an error changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from unittest.mock import patch

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

CONTAINERS = {
    "ndarray": np.asarray,
    "csr_matrix": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc_matrix": sp.csc_matrix,
    "csc_array": sp.csc_array,
}
SLOTS = ("X", "layers", "obs", "var", "obsm", "varm", "obsp", "varp", "uns")


def counts_adata(n_obs=60, n_vars=40, *, depth=200.0, dtype=np.float32, seed=0):
    """Draw negative-binomial counts of three cell types in two batches, CSR, cells of many depths."""
    rng = np.random.default_rng(seed)
    cell_type = np.arange(n_obs) % 3
    batch = np.arange(n_obs) % 2
    profiles = rng.gamma(0.5, size=(3, n_vars)) + 0.01
    shares = profiles[cell_type] * rng.lognormal(0, 0.1, (2, n_vars))[batch]
    shares /= shares.sum(1, keepdims=True)
    means = shares * depth * 10 ** rng.uniform(-0.5, 0.5, (n_obs, 1))
    alpha = 0.2
    counts = rng.poisson(rng.gamma(1 / alpha, means * alpha)).astype(dtype)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical([f"type {t}" for t in cell_type]),
            "batch": pd.Categorical([f"b{b}" for b in batch]),
        },
        index=[f"cell {i}" for i in range(n_obs)],
    )
    adata = AnnData(sp.csr_matrix(counts), obs, pd.DataFrame(index=[f"gene {j}" for j in range(n_vars)]))
    adata.obsm["X_pca"] = rng.normal(size=(n_obs, 2))
    adata.uns["record"] = {"params": {"n": 1}}
    return adata


def dense(counts):
    """Give any container, computed, as a numpy array of int64."""
    counts = counts.compute() if hasattr(counts, "dask") else counts
    return np.asarray(counts.toarray() if sp.issparse(counts) else counts).astype(np.int64)


@contextmanager
def assert_unchanged(adata):
    """Check that every slot is, bit by bit, as it was before; the error itself is left to ``pytest.raises``."""
    before = fingerprints(adata)
    yield
    after = fingerprints(adata)
    assert before.keys() == after.keys()
    assert [where for where in before if before[where] != after[where]] == []


def fingerprints(adata):
    """Give, for every array and every other thing that an AnnData holds, what is no longer the same when it changes."""
    everything = {slot: getattr(adata, slot) for slot in SLOTS}
    if adata.raw is not None:
        everything["raw"] = {slot: getattr(adata.raw, slot) for slot in ("X", "var", "varm")}
    flags = {"kind": (type(adata), adata.is_view, adata.isbacked, str(adata.filename), adata.shape)}
    return flags | dict(_fingerprints(everything, ""))


def _fingerprints(value, where):  # noqa: PLR0912  one branch for each kind of value
    if isinstance(value, Mapping):
        yield where, tuple(value)
        for key in value:
            yield from _fingerprints(value[key], f"{where}/{key}")
    elif isinstance(value, pd.DataFrame):
        yield where, (tuple(value.columns), value.columns.dtype)
        for name, column in value.items():
            yield from _fingerprints(column, f"{where}/{name}")
        yield from _fingerprints(value.index, f"{where}/index")
    elif isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        yield f"{where}.dtype", repr(value.dtype)
        if isinstance(value.dtype, pd.CategoricalDtype):
            categories = getattr(value, "cat", value)
            yield f"{where}.categories", (repr(list(categories.categories)), categories.ordered)
            value = categories.codes
        yield from _fingerprints(np.asarray(value), where)
    elif hasattr(value, "dask"):
        yield where, (value.name, value.chunks)
    elif sp.issparse(value):
        yield where, (type(value), value.shape)
        for part in ("data", "indices", "indptr"):
            yield from _fingerprints(getattr(value, part), f"{where}.{part}")
    elif isinstance(value, np.ndarray):
        content = repr(value.tolist()) if value.dtype == object else value.tobytes()
        yield where, (type(value), value.dtype.str, value.shape, value.flags.writeable, hash(content))
    elif hasattr(value, "to_memory"):
        yield from _fingerprints(value.to_memory(), where)
    elif isinstance(value, h5py.Dataset):
        yield from _fingerprints(value[()], where)
    else:
        yield where, (type(value), repr(value))


def assert_same(one, other, where="value"):
    """Check that two values are equal in type, dtype and content."""
    if isinstance(one, Mapping):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
        return
    assert type(one) is type(other), where
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif hasattr(one, "dask"):
        assert one.name == other.name, where
    elif sp.issparse(one):
        assert one.shape == other.shape, where
        for part in ("data", "indices", "indptr"):
            assert_same(getattr(one, part), getattr(other, part), f"{where}.{part}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)
    else:
        assert one == other, where


@contextmanager
def same_thinning():
    """Make scvi-tools and us keep half of each count, which needs no random numbers."""
    from scvi.external.joint_embedding_scvi import _module as theirs

    from lowdepth.model import _module as ours

    with (
        patch.object(theirs, "binomial_split", lambda x, p: ((x / 2).ceil(), None)),
        patch.object(theirs, "sample_thinning_probs", lambda x, min_library_size: None),
        patch.object(ours, "thinned_values", lambda counts, keep: (counts.values / 2).ceil()),
        patch.object(ours, "sample_keep", lambda total, fewest: None),
    ):
        yield
