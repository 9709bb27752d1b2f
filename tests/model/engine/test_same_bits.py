"""The process that compiles a kernel and the next ones, which read it from numba's cache, give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CELLS_UNDER_ALL_KERNELS = """
import hashlib, os, sys
import numpy as np, scipy.sparse, torch
from lowdepth.model.engine import decoder_log_likelihood, log1p_of_counts, sparse_linear, take_rows, thinned_values
from lowdepth.tl._refinement._profile_likelihood import Multinomial, NegativeBinomial, Profiles

for process in range(2):  # forks that import nothing anew: the first compiles, and the second reads
    child = os.fork()
    if not child:
        break
    if os.waitpid(child, 0)[1]:
        sys.exit("a child failed")
else:
    sys.exit()

torch.manual_seed(0)
n_obs, n_vars, n_hidden = 40, 1500, 8
counts = np.random.default_rng(0).negative_binomial(0.2, 0.1, (n_obs, n_vars)).astype(np.float32)
counts = take_rows(scipy.sparse.csr_matrix(counts), np.arange(n_obs))
hidden, weight, bias, dispersion, first = (
    torch.nn.Parameter(torch.randn(shape))
    for shape in [(n_obs, n_hidden), (n_vars, n_hidden), (n_vars,), (1, n_vars), (n_hidden, n_vars)]
)
views = log1p_of_counts(torch.stack([counts.values, thinned_values(counts, torch.rand(n_obs))]))
embedded = sparse_linear(counts, views, first)
likelihood = decoder_log_likelihood(counts, hidden, weight, bias, counts.total(), dispersion.exp())
(likelihood.total + embedded.square().sum()).backward()
profiles = Profiles(torch.rand(10, n_vars), torch.rand(n_vars))
found = [embedded, likelihood.by_cell, *(p.grad for p in (hidden, weight, bias, dispersion, first))]
found += [Multinomial([profiles]).scores(counts), NegativeBinomial([profiles], (1, 1e6)).scores(counts)]
print(*(hashlib.sha256(x.detach().contiguous().numpy().tobytes()).hexdigest()[:8] for x in found))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_compiled_kernel_gives_what_a_stored_one_gives(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", CELLS_UNDER_ALL_KERNELS]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert any(tmp_path.rglob("*.nbc")), "nothing was stored, so that both have compiled"
    compiled, stored = run.stdout.splitlines()
    assert compiled == stored
