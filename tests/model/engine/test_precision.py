"""bfloat16 on request, torch's own switch as it was before."""

from __future__ import annotations

import pytest
import torch

from lowdepth.model.engine import _precision
from lowdepth.model.engine._precision import products

CPU = torch.device("cpu")


def switch():
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture(params=["none", "ieee", "bf16"], autouse=True)
def before(request):
    found = switch()
    torch.backends.mkldnn.matmul.fp32_precision = request.param
    yield request.param
    torch.backends.mkldnn.matmul.fp32_precision = found


@pytest.mark.parametrize(("precision", "inside"), [("float32", "ieee"), ("bfloat16", "bf16")])
def test_as_asked(precision, inside, before):
    with products(precision, CPU):
        assert switch() == inside
    assert switch() == before


@pytest.mark.parametrize(("units", "inside"), [(True, "bf16"), (False, "ieee")])
def test_auto_follows_the_hardware(units, inside, before, monkeypatch):
    monkeypatch.setattr(_precision, "has_bfloat16_units", lambda: units)
    with products("auto", CPU):
        assert switch() == inside
    assert switch() == before


@pytest.mark.parametrize("unit", ["amx_tile", "amx_bf16", "avx512_bf16", "avx2"])
def test_hardware(unit, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": False, unit: True}, raising=False)
    _precision.has_bfloat16_units.cache_clear()
    try:
        assert _precision.has_bfloat16_units() is (unit != "avx2")
    finally:
        _precision.has_bfloat16_units.cache_clear()


def test_restored_after_an_error(before):
    with pytest.raises(ZeroDivisionError), products("bfloat16", CPU):
        raise ZeroDivisionError
    assert switch() == before


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_other_devices_have_torchs_own_switch(device, before):
    with products("bfloat16", torch.device(device)):
        assert switch() == before


def test_a_torch_that_cannot_tell_stays_exact(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not _precision.has_bfloat16_units.__wrapped__()
