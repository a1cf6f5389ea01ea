"""OpenCL C: a target that is no dialect, printed, and run where a platform is installed."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from codegen.golden import check_golden

import xpiler_tvm as xt
from xpiler_tvm import opencl

ROWS = """
__global__ void rows(const float* x, float* y) {
  __shared__ float s[32];
  int t = threadIdx.x, r = blockIdx.x;
  float m = 0;
  for (int c = t; c < 96; c += 32) m += x[r * 96 + c];
  s[t] = m;
  __syncthreads();
  for (int d = 16; d > 0; d >>= 1) {
    if (t < d) s[t] += s[t + d];
    __syncthreads();
  }
  for (int c = t; c < 96; c += 32) y[r * 96 + c] = x[r * 96 + c] / s[0];
}
"""
installed = pytest.mark.skipif(find_spec("pyopencl") is None, reason="no pyopencl here")


@lru_cache(maxsize=1)
def lifted() -> xt.Lifted:
    params = (xt.Tensor("x", (5, 96)), xt.Tensor("y", (5, 96), intent="out"))
    return xt.lift(xt.Kernel(ROWS, "cuda", "rows", params, xt.Launch((5,), (32,))))


@lru_cache(maxsize=1)
def translated() -> xt.Translation:
    return xt.transcompile(lifted(), "opencl")


def test_text(request: pytest.FixtureRequest) -> None:
    code = translated().source.partition("\n\n")[2]
    check_golden(request, "rows.cl", code)
    assert "__local float" in code and "barrier(CLK_LOCAL_MEM_FENCE);" in code
    assert "__global const float* restrict x" in code


def test_without_a_platform_the_check_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opencl, "find_spec", lambda name: None)
    result = xt.transcompile(lifted(), "opencl")
    last = result.evidence[-1]
    assert (last.name, last.verdict) == ("emitted opencl = source", "unknown")
    assert last.detail == "not run: there is no pyopencl here"
    x, y = np.random.default_rng(0).uniform(0.5, 1, (5, 96)).astype("float32"), np.zeros(480, "f4")
    result(x, y)
    np.testing.assert_allclose(y.reshape(5, 96), x / x.sum(1, keepdims=True), rtol=1e-5)


@installed
def test_with_a_platform_it_is() -> None:
    last = translated().evidence[-1]
    assert (last.name, last.verdict) == ("emitted opencl = source", "tested")


@installed
def test_a_fault_of_the_text_is_told() -> None:
    result = xt.transcompile(lifted(), "opencl")
    wrong = xt.targets.Emitted("__kernel void f() { nothing; }", None, "f", launch=xt.Launch((1,)))
    with pytest.raises(xt.CheckError) as raised:
        opencl.run(wrong, {}, {})
    assert raised.value.code == "XP5005" and result.evidence


def test_words_of_the_language_are_no_names() -> None:
    text = ROWS.replace("float* x", "float* global").replace("x[", "global[")
    params = (xt.Tensor("global", (5, 96)), xt.Tensor("y", (5, 96), intent="out"))
    kernel = xt.Kernel(text, "cuda", "rows", params, xt.Launch((5,), (32,)))
    with pytest.raises(xt.EmitError) as raised:
        xt.transcompile(kernel, "opencl")
    assert raised.value.code == "XP4001" and "'global'" in raised.value.message


def test_it_has_no_main_and_no_dialect() -> None:
    with pytest.raises(xt.EmitError) as raised:
        xt.transcompile(lifted(), "opencl", main=True)
    assert raised.value.code == "XP4001"
    with pytest.raises(xt.ReadError):
        xt.Kernel(ROWS, "opencl")  # type: ignore[arg-type]


def test_export(tmp_path: Path) -> None:
    files = {file.name for file in translated().export(tmp_path)}
    assert files == {"rows.cl", "rows.report.json"}
