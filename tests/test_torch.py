"""Kernels as functions of PyTorch's tensors."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import xpiler_tvm as xt
from xpiler_tvm import torch as bridge

FILE = Path(__file__).parent.parent / "examples" / "softmax_rows.cu"
SCALE = """
__global__ void scale(const float *x, float *y, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}
"""


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def scale() -> bridge.Function:
    params = (
        xt.Tensor("x", (4, 16)),
        xt.Tensor("y", (4, 16), intent="out"),
        xt.Scalar("a", "float32"),
        xt.Scalar("n", value=64),
    )
    kernel = xt.Kernel(SCALE, "cuda", "scale", params, xt.Launch((2,), (32,)))
    return bridge.load(kernel, "vnni")


def test_outputs_are_made_or_filled(torch: Any, scale: bridge.Function) -> None:
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(scale(x, a=3.0).reshape(4, 16), 3 * x)
    y = torch.zeros(4, 16)
    address = y.data_ptr()
    assert scale(x, y, a=0.5) is None
    assert torch.equal(y, x / 2) and y.data_ptr() == address


def test_what_has_no_plain_memory_is_refused(torch: Any, scale: bridge.Function) -> None:
    x = torch.zeros(16, 4)
    for wrong in (x.T, x.requires_grad_(), [1.0] * 64, torch.zeros(64, device="meta")):
        with pytest.raises(xt.CheckError) as error:
            scale(wrong, a=1.0)
        assert error.value.code == "XP5007"
    with pytest.raises(xt.CheckError):
        scale(torch.zeros(63), a=1.0)


def test_a_file_is_loaded(torch: Any) -> None:
    softmax = bridge.load(FILE, target="vnni")
    x_tensor = softmax.translation.lifted.kernel.tensors[0]
    x = torch.randn(x_tensor.size, generator=torch.Generator().manual_seed(1))
    (rows, cols) = (int(extent) for extent in softmax.translation.mod["main"].params[0].shape)
    found = softmax(x).reshape(rows, cols)
    torch.testing.assert_close(found, torch.softmax(x.reshape(rows, cols), 1))


def test_without_pytorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(xt.SetupError, match="not installed") as error:
        bridge.load(FILE)
    assert isinstance(bridge, ModuleType) and "xpiler-tvm[torch]" in error.value.hint
