"""A training step needs no operation that Apple's MPS lacks; looked up in torch's own list of kernels."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from helpers import same_thinning
from joined_cases import SETTINGS, minibatch, module_of
from torch.utils._python_dispatch import TorchDispatchMode

from lowdepth.model.engine._thinned_values import _thin_by_umi

ON_EVERY_DEVICE = {"CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional"}


class Operations(TorchDispatchMode):
    """Note the operations that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "aten":
            self.names.add(str(func).removeprefix("aten.").removesuffix(".default"))
        return func(*args, **(kwargs or {}))


@cache
def kernels():
    """Read which devices have a kernel of each operation."""
    path = Path(find_spec("torchgen").origin).parent / "packaged/ATen/native/native_functions.yaml"
    if not path.exists():
        pytest.skip("torch comes without its list of kernels")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {entry["func"].split("(")[0]: entry for entry in yaml.load(path.read_text(), loader)}


def runs_on_mps(name):
    """Tell whether an operation has a kernel for MPS, its own or one for all devices."""
    entry = kernels()[name]
    if "structured_delegate" in entry:
        return runs_on_mps(entry["structured_delegate"])
    keys = {key.strip() for keys in entry.get("dispatch", {}) for key in keys.split(",")}
    # without a dispatch an operation is made of others
    return not keys or "MPS" in keys or bool(keys & ON_EVERY_DEVICE)


def test_what_is_looked_up():
    assert runs_on_mps("mm")
    assert runs_on_mps("lgamma")
    assert not runs_on_mps("ormqr")


@pytest.mark.parametrize("settings", SETTINGS)
def test_step_has_kernels_on_mps(settings):
    # float64 goes the way of other devices, on the CPU; the draws are tested below
    module = module_of(settings, "float64")
    optimiser = torch.optim.Adam(filter(lambda p: p.requires_grad, module.parameters()), lr=0.004, eps=0.01)
    with same_thinning(), Operations() as called:
        *_, output = module(minibatch(list(range(12)), "float64"), loss_kwargs={"kl_weight": 0.5})
        output.loss.backward()
        optimiser.step()
    assert len(called.names) > 30
    assert not [name for name in sorted(called.names) if not runs_on_mps(name)]


def test_thinning_has_kernels_on_mps():
    with Operations() as called:
        _thin_by_umi(torch.tensor([3.0, 1.0]), torch.tensor([0.5, 0.2]))
    assert not [name for name in sorted(called.names) if not runs_on_mps(name)]
