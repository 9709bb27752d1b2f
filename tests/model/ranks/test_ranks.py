"""Two processes compute what one does on all of their cells, and share one training."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from joined_cases import DTYPES, SETTINGS, SHARES, computed, module_of

ROOT = Path(__file__).parents[3]

# one test worker starts the processes
pytestmark = [
    pytest.mark.xdist_group("ranks"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]


def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """Run the script in the environment that torchrun gives, and read what both processes wrote."""
    out, here = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("here")
    shared = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(unused_port()),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    run = subprocess.run(
        [sys.executable, "-m", "two_ranks", out],
        env=shared,
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return [torch.load(out / f"rank {rank}.pt", weights_only=False) for rank in range(2)] + [out]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_step_is_that_of_one_process(ranks, settings, dtype, share):
    cells = [cell for cells in SHARES[share] for cell in cells]
    alone = computed(module_of(settings, dtype), cells, dtype)
    largest = max(grad.abs().max() for grad in alone["gradients"].values())
    exact = {"rtol": 1e-5, "atol": 1e-5 if dtype == "float32" else 1e-9}
    step = [rank["steps"][settings, dtype, share] for rank in ranks[:2]]
    torch.testing.assert_close((step[0]["loss"] + step[1]["loss"]) / 2, alone["loss"], **exact)
    for own in step:
        assert own["gradients"].keys() == alone["gradients"].keys()
        for name, grad in alone["gradients"].items():
            torch.testing.assert_close(own["gradients"][name] / largest, grad / largest, **exact, msg=name)
        torch.testing.assert_close(own["metrics"], alone["metrics"], **exact)
        torch.testing.assert_close(own["buffers"], alone["buffers"], **exact)


@pytest.mark.parametrize("run", ["training", "stopped"])
def test_each_cell_is_seen_once_in_an_epoch_by_one_process(ranks, run):
    one, other = (rank[run] for rank in ranks[:2])
    for part in ("training", "validation"):
        np.testing.assert_array_equal(one[part], other[part])
        n_cells = len(one[part])
        batches = [[cells for n, cells in rank["seen"] if n == n_cells] for rank in (one, other)]
        assert len(batches[0]) == len(batches[1])
        joined = [np.concatenate(pair) for pair in zip(*batches, strict=True)]
        per_epoch = max(ceil(n_cells / 16), 1)
        for start in range(0, len(joined), per_epoch):
            epoch = np.concatenate(joined[start : start + per_epoch])
            np.testing.assert_array_equal(np.sort(epoch), np.sort(one[part]))
        sizes = {len(cells) for own in batches for cells in own}
        assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_epochs_have_orders_of_their_own(ranks):
    seen = [cells for _, cells in ranks[0]["training"]["seen"]]
    first, second = (np.concatenate(seen[start : start + 4]) for start in (0, 4))
    assert set(first) != set(second)


@pytest.mark.parametrize("run", ["training", "stopped"])
def test_processes_end_with_one_model(ranks, run):
    one, other = (rank[run] for rank in ranks[:2])
    assert one["history"] == other["history"]
    for name, value in one["weights"].items():
        assert torch.equal(value, other["weights"][name]), name
        assert value.isfinite().all()


def test_all_stop_early(ranks):
    assert len(ranks[1]["stopped"]["history"]["elbo_validation"]) == 2


def test_only_the_first_process_writes(ranks):
    *both, out = ranks
    assert [rank["files"] for rank in both] == [[], []]
    assert sorted(path.name for path in out.iterdir()) == ["checkpoints", "model", "rank 0.pt", "rank 1.pt"]
    assert [path.name for path in (out / "checkpoints").iterdir()] == [both[0]["best"]]


def test_embedding_is_the_same_everywhere(ranks):
    one, other = (rank["embedding"] for rank in ranks[:2])
    np.testing.assert_array_equal(one["latent"], other["latent"])
    assert one["params"]["n_devices"] == other["params"]["n_devices"] == 2


def test_processes_draw_on_their_own(ranks):
    one, other = (rank["training"]["draws"] for rank in ranks[:2])
    assert (one != other).all()


def test_what_cannot_be_shared_is_refused(ranks):
    for rank in ranks[:2]:
        assert "scipy.sparse.csr_matrix" in rank["dense"]
        assert "2 devices cannot share 1 cells" in rank["few cells"]
