"""Intermediates without guards, so that TVM knows that they cover what is read of them."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import s_tir

from .support import Given, kernel, out, random, run_both

# Tiles with a border: 68 elements a tile of 64, in two steps of 64 threads, each with a weight.
STAGES = """__shared__ float u[70];
for (int i = threadIdx.x; i < 70; i += 64) {
  int at = blockIdx.x * 64 + i - 3;
  u[i] = at < 0 || at >= 300 ? 0.f : x[at];
}
__syncthreads();
__shared__ float v[68];
for (int i = threadIdx.x; i < 68; i += 64) v[i] = w[threadIdx.x] * sinf(u[i] * u[i + 2]);
__syncthreads();
int at = blockIdx.x * 64 + threadIdx.x;
if (at < 300) y[at] = v[threadIdx.x] + v[threadIdx.x + 3] * v[threadIdx.x + 4];
"""
# Thread by thread a number of steps that each depend on the one before.
STEPS = """int i = blockIdx.x * 32 + threadIdx.x;
__shared__ float s[32];
if (i < 300) {
  float a = x[i];
  for (int k = 0; k < 9; k++) a = a * 0.5f + x[i] / (a * a + 1.f);
  s[threadIdx.x] = a;
}
__syncthreads();
if (i < 300 && threadIdx.x > 0) y[i] = s[threadIdx.x - 1];
if (i < 300 && threadIdx.x == 0) y[i] = 0.f;
"""


@pytest.mark.parametrize(("text", "grid", "block"), [(STAGES, 5, 64), (STEPS, 10, 32)])
def test_intermediates_cover_what_is_read_of_them(text: str, grid: int, block: int) -> None:
    given: tuple[Given, ...] = (("x", random(300)), ("w", random(64, seed=1)))
    known = kernel(text, *given, out("y", 300), grid=(grid,), block=(block,))
    form, flat, result = run_both(known, *given)
    assert form.rung == "blocks", form.reason
    np.testing.assert_allclose(result, flat, rtol=1e-5, atol=1e-6)
    intermediates = _intermediates(form.mod)
    assert intermediates
    for name in intermediates:
        assert not _predicate(form.mod, name)
    schedule = s_tir.Schedule(form.mod, error_render_level="fast")
    block = schedule.get_sblock("y")
    copy = schedule.cache_read(block, 0, "local", [block])
    schedule.compute_at(copy, schedule.get_loops(block)[0])  # of a pipeline of stages alone


def _realizes(mod: tvm.IRModule) -> list[s_tir.SBlockRealize]:
    import tvm_ffi

    found: list[s_tir.SBlockRealize] = []
    tvm_ffi.structural_walk(mod["main"].body, [(s_tir.SBlockRealize, found.append)])
    return found


def _intermediates(mod: tvm.IRModule) -> list[str]:
    params = list(mod["main"].params)
    return [
        one.block.name_hint
        for one in _realizes(mod)
        if one.block.writes and not any(one.block.writes[0].source.same_as(p) for p in params)
    ]


def _predicate(mod: tvm.IRModule, name: str) -> str:
    realize = next(one for one in _realizes(mod) if one.block.name_hint == name)
    text = str(realize.predicate)
    return "" if text in ("T.bool(True)", "True") else text
