"""Sparse minibatches hold the cells that scvi-tools' would, in their order, and X is not copied for them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import scvi
import torch
from helpers import counts_adata
from lightning.pytorch.utilities import move_data_to_device
from scvi import REGISTRY_KEYS
from scvi.dataloaders import AnnDataLoader, DataSplitter

from lowdepth.model import _nonzero_batches
from lowdepth.model._nonzero_batches import (
    CellsOnDevice,
    NonzeroDataset,
    NonzeroDataSplitter,
    NonzeroLoader,
    fits,
    sorted_csr,
)
from lowdepth.model._seed import seeded
from lowdepth.model.engine import SparseCounts

N_OBS = 57
X_KEY = REGISTRY_KEYS.X_KEY
CPU = torch.device("cpu")


def manager_of(adata):
    rng = np.random.default_rng(0)
    adata.obs["site"] = rng.choice(["here", "there"], adata.n_obs)
    adata.obs["age"] = rng.normal(size=adata.n_obs)
    scvi.model.SCVI.setup_anndata(
        adata,
        batch_key="batch",
        labels_key="cell_type",
        categorical_covariate_keys=["site"],
        continuous_covariate_keys=["age"],
    )
    return scvi.model.SCVI(adata).adata_manager


@pytest.fixture
def manager():
    return manager_of(counts_adata(N_OBS))


def assert_same_batches(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs) > 0
    for batch, expected in zip(ours, theirs, strict=True):
        assert isinstance(batch[X_KEY], SparseCounts)
        assert set(batch) == set(expected) >= {"batch", "labels", "extra_categorical_covs", "extra_continuous_covs"}
        for key, tensor in expected.items():
            found = batch[key].dense() if key == X_KEY else batch[key]
            assert found.dtype == tensor.dtype
            assert torch.equal(found, tensor), key


def loaders(manager, *arguments, seed=3, **options):
    """Read the minibatches of our loader and of scvi-tools', each from the same seed."""
    for kind in (NonzeroLoader, AnnDataLoader):
        torch.manual_seed(seed)
        yield [batch for _ in range(2) for batch in kind(manager, *arguments, **options)]  # two epochs


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("batch_size", [1, 10, 19, 100])
def test_same_cells_in_the_same_order(manager, batch_size, drop_last, shuffle):
    if drop_last and batch_size > N_OBS:
        assert list(NonzeroLoader(manager, batch_size=batch_size, drop_last=True)) == []
        return
    assert_same_batches(*loaders(manager, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last))


@pytest.mark.parametrize(
    "indices",
    [
        [5, 3, 3, 50],
        np.array([5, 3, 3, 50], np.int32),
        np.array([0, -1, -57]),
        np.arange(N_OBS) % 3 == 0,
    ],
    ids=["list", "int32", "from the end", "mask"],
)
def test_chosen_cells(manager, indices):
    assert_same_batches(*loaders(manager, indices, batch_size=3))


@pytest.mark.parametrize("resident", [True, False])
def test_a_cell_that_is_not_there(manager, resident):
    with pytest.raises(IndexError, match="57"):
        list(NonzeroLoader(manager, [0, N_OBS], batch_size=2, resident=resident))


def test_no_process_is_forked_from_the_threads(manager, monkeypatch):
    monkeypatch.setattr(scvi.settings, "dl_num_workers", 2)
    assert NonzeroLoader(manager, batch_size=10).num_workers == 0


def test_length(manager):
    assert len(NonzeroDataset(manager, None)) == N_OBS
    assert len(NonzeroDataset(manager, [1, 2])) == 2
    assert len(NonzeroLoader(manager, batch_size=10)) == 6
    assert len(NonzeroLoader(manager, batch_size=10, drop_last=True)) == 5


def test_several_processes_share_out_the_cells(manager, monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        loader = NonzeroLoader(manager, batch_size=5, shuffle=True, joined_seed=1)
        shares.append(torch.cat([batch[X_KEY].dense() for batch in loader]))
    assert [len(share) for share in shares] == [30, 27]
    everything = manager.get_from_registry(X_KEY).toarray()
    assert sorted(map(tuple, torch.cat(shares).tolist())) == sorted(map(tuple, everything.tolist()))


def test_processes_split_the_cells_as_the_first_one_does(manager, monkeypatch):
    splitter = NonzeroDataSplitter(manager, train_size=0.5, batch_size=10)
    first = [np.arange(20), np.arange(20, 57), np.arange(0), 7]
    strategy = SimpleNamespace(root_device=CPU, broadcast=lambda own: first)
    splitter.trainer = SimpleNamespace(strategy=strategy, world_size=2)
    splitter.setup()
    assert splitter.train_idx is first[0]
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    assert splitter.val_dataloader().sampler.seed == 7


def splitter_of(kind, manager, **options):
    splitter = kind(manager, batch_size=10, **options)
    splitter.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=CPU), world_size=1)
    with seeded(4):
        splitter.setup()
    return splitter


def minibatches(splitter, part):
    torch.manual_seed(6)
    for batch in getattr(splitter, f"{part}_dataloader")():
        yield splitter.on_after_batch_transfer(move_data_to_device(batch, CPU), 0)


SPLITS = [
    {"train_size": 0.7, "validation_size": 0.2},
    {"train_size": 0.6, "validation_size": 0.2, "drop_last": True},
    {"train_size": 0.5, "validation_size": 0.3, "shuffle_set_split": False},
    {"external_indexing": [np.arange(20), np.arange(20, 40), np.arange(40, 57)]},
]


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "ordinary"])
@pytest.mark.parametrize("options", SPLITS, ids=str)
def test_same_split_and_minibatches(manager, options, resident, monkeypatch):
    monkeypatch.setattr(_nonzero_batches, "fits", lambda counts, device: resident)
    ours, theirs = (splitter_of(kind, manager, **options) for kind in (NonzeroDataSplitter, DataSplitter))
    for part in ("train", "val", "test"):
        np.testing.assert_array_equal(getattr(ours, f"{part}_idx"), getattr(theirs, f"{part}_idx"))
        assert_same_batches(minibatches(ours, part), minibatches(theirs, part))


@pytest.mark.parametrize("resident", [True, False])
def test_counts_travel_only_where_they_are_not_resident(manager, resident, monkeypatch):
    monkeypatch.setattr(_nonzero_batches, "fits", lambda counts, device: resident)
    splitter = splitter_of(NonzeroDataSplitter, manager, train_size=1.0)
    for batch in splitter.train_dataloader():
        assert isinstance(batch[X_KEY], CellsOnDevice if resident else SparseCounts)


def test_scvi_tools_sparse_tensors_make_no_difference(manager):
    ours = splitter_of(NonzeroDataSplitter, manager, train_size=1.0, load_sparse_tensor=True)
    assert_same_batches(
        minibatches(ours, "train"), minibatches(splitter_of(DataSplitter, manager, train_size=1.0), "train")
    )


def test_a_splitter_without_validation_cells(manager):
    assert splitter_of(NonzeroDataSplitter, manager, train_size=1.0).val_dataloader() is None


def test_lightning_moves_all_parts(manager):
    for resident in (True, False):
        batch = next(iter(NonzeroLoader(manager, batch_size=4, resident=resident)))
        moved = move_data_to_device(batch, torch.device("meta"))
        counts = moved[X_KEY]
        assert (counts.index if resident else counts.values).device.type == "meta"
        assert moved["batch"].device.type == "meta"


@pytest.mark.parametrize(
    ("device", "free", "expected"), [("cuda", 1601, True), ("cuda", 1600, False), ("cpu", 0, False), ("mps", 0, False)]
)
def test_counts_move_where_they_take_half_of_the_free_memory_at_most(device, free, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    counts = sp.csr_array(np.ones((10, 10)))  # 100 counts of 8 bytes
    assert fits(counts, torch.device(device)) is expected


def disordered(adata):
    """Store the same counts with columns in reverse, and every second one as a sum of two."""
    parts = []
    for row in adata.X:
        columns, values = row.indices[::-1], row.data[::-1]
        twice = np.arange(len(columns)) % 2 == 0
        parts.append((np.append(columns, columns[twice]), np.append(values - twice, np.ones(twice.sum()))))
    indptr = np.cumsum([0, *(len(columns) for columns, _ in parts)])
    data, indices = (np.concatenate([part[i] for part in parts]) for i in (1, 0))
    return sp.csr_matrix((data.astype(np.float32), indices, indptr), shape=adata.shape)


@pytest.mark.filterwarnings("ignore:Training will be faster when sparse matrix is formatted as CSR:UserWarning")
@pytest.mark.parametrize("container", ["disordered", "csc_matrix"])
def test_any_sparse_matrix(container, manager):
    adata = counts_adata(N_OBS)
    adata.X = disordered(adata) if container == "disordered" else adata.X.tocsc()
    before = adata.X.data.copy()
    other = manager_of(adata)
    assert_same_batches(NonzeroLoader(other, batch_size=10), AnnDataLoader(manager, batch_size=10))
    np.testing.assert_array_equal(adata.X.data, before)  # the user's matrix is as it was


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float64])
def test_any_dtype(dtype, manager):
    other = manager_of(counts_adata(N_OBS, dtype=dtype))
    assert_same_batches(NonzeroLoader(other, batch_size=10), AnnDataLoader(manager, batch_size=10))


def test_no_copy_of_the_counts(manager):
    counts = manager.adata.X
    dataset = NonzeroDataset(manager, np.arange(10))
    for part in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(dataset.counts, part), getattr(counts, part))
    assert sorted_csr(counts) is counts
