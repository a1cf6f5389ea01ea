"""One computation written in several ways ends in the same blocks; what is not, is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm import s_tir, tirx

from .support import Given, kernel, out, random, run_both

ROWS, COLUMNS = 8, 64
X = random(ROWS * COLUMNS)

Shape = tuple[list[int], list[int]]


def shapes(mod: tvm.IRModule) -> list[Shape]:
    """The extents of the spatial and of the reduction axes of each block, in order."""
    found: list[Shape] = []

    def visit(block: Any) -> None:
        if block.name_hint == "root":
            return
        extents: Shape = ([], [])
        for axis in block.iter_vars:
            extents[axis.iter_type == tirx.IterVar.CommReduce].append(int(axis.dom.extent))
        found.append(extents)

    tvm_ffi.structural_walk(mod["main"].body, [(s_tir.SBlock, visit)], order="pre")
    return found


SOFTMAX = {
    "a thread for a row": (
        """int r = blockIdx.x * 4 + threadIdx.x;
        float m = -INFINITY; for (int c = 0; c < 64; c++) m = fmaxf(m, x[r * 64 + c]);
        float s = 0; for (int c = 0; c < 64; c++) s += expf(x[r * 64 + c] - m);
        for (int c = 0; c < 64; c++) y[r * 64 + c] = expf(x[r * 64 + c] - m) / s;""",
        2,
        4,
    ),
    "a block for a row": (
        """__shared__ float p[32]; int t = threadIdx.x, r = blockIdx.x;
        float m = -INFINITY; for (int c = t; c < 64; c += 32) m = fmaxf(m, x[r * 64 + c]);
        p[t] = m; __syncthreads();
        for (int d = 16; d > 0; d >>= 1) {
            if (t < d) p[t] = fmaxf(p[t], p[t + d]); __syncthreads(); }
        m = p[0]; __syncthreads();
        float s = 0; for (int c = t; c < 64; c += 32) s += expf(x[r * 64 + c] - m);
        p[t] = s; __syncthreads();
        for (int d = 16; d > 0; d >>= 1) { if (t < d) p[t] += p[t + d]; __syncthreads(); }
        s = p[0];
        for (int c = t; c < 64; c += 32) y[r * 64 + c] = expf(x[r * 64 + c] - m) / s;""",
        8,
        32,
    ),
    "a warp for a row, butterflies": (
        """int t = threadIdx.x % 32, r = blockIdx.x * 2 + threadIdx.x / 32;
        float m = -INFINITY; for (int c = t; c < 64; c += 32) m = fmaxf(m, x[r * 64 + c]);
        for (int o = 16; o > 0; o >>= 1) m = fmaxf(m, __shfl_xor_sync(0xffffffff, m, o));
        float s = 0; for (int c = t; c < 64; c += 32) s += expf(x[r * 64 + c] - m);
        for (int o = 16; o > 0; o >>= 1) s += __shfl_xor_sync(0xffffffff, s, o);
        for (int c = t; c < 64; c += 32) y[r * 64 + c] = expf(x[r * 64 + c] - m) / s;""",
        4,
        64,
    ),
    "a warp for a row, downwards and broadcast": (
        """int t = threadIdx.x, r = blockIdx.x;
        float m = fmaxf(x[r * 64 + t], x[r * 64 + t + 32]);
        for (int o = 16; o > 0; o >>= 1) m = fmaxf(m, __shfl_down_sync(0xffffffff, m, o));
        m = __shfl_sync(0xffffffff, m, 0);
        float s = expf(x[r * 64 + t] - m) + expf(x[r * 64 + t + 32] - m);
        for (int o = 16; o > 0; o >>= 1) s += __shfl_down_sync(0xffffffff, s, o);
        s = __shfl_sync(0xffffffff, s, 0);
        for (int c = t; c < 64; c += 32) y[r * 64 + c] = expf(x[r * 64 + c] - m) / s;""",
        8,
        32,
    ),
}


def multiset(found: list[Shape]) -> list[Shape]:
    return sorted((sorted(spatial), sorted(reduced)) for spatial, reduced in found)


@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_has_one_form(name: str) -> None:
    text, grid, block = SOFTMAX[name]
    known = kernel(text, ("x", X), out("y", ROWS * COLUMNS), grid=(grid,), block=(block,))
    form, flat, result = run_both(known, ("x", X))
    assert form.rung == "blocks", form.reason
    rows = X.reshape(ROWS, COLUMNS).astype(np.float64)
    e = np.exp(rows - rows.max(1, keepdims=True))
    np.testing.assert_allclose(flat, (e / e.sum(1, keepdims=True)).ravel(), rtol=1e-5)
    np.testing.assert_allclose(result, flat, rtol=1e-5)
    assert multiset(shapes(form.mod)) == multiset(
        [([ROWS], [COLUMNS]), ([ROWS], [COLUMNS]), ([ROWS, COLUMNS], [])]
    )


SUMS = {
    "a loop": "float s = 0; for (int i = 0; i < 64; i++) s += x[b * 64 + i]; if (t == 0) y[b] = s;",
    "a tree": """__shared__ float p[64]; p[t] = x[b * 64 + t]; __syncthreads();
        for (int d = 32; d > 0; d /= 2) { if (t < d) p[t] += p[t + d]; __syncthreads(); }
        if (t == 0) y[b] = p[0];""",
    "a tree with growing strides": """__shared__ float p[64]; p[t] = x[b * 64 + t]; __syncthreads();
        for (int d = 1; d < 64; d *= 2) { if (t % (2 * d) == 0) p[t] += p[t + d]; __syncthreads(); }
        if (t == 0) y[b] = p[0];""",
    "warps, then a warp": """__shared__ float p[2]; float s = x[b * 64 + t];
        for (int o = 16; o > 0; o >>= 1) s += __shfl_down_sync(~0u, s, o);
        if (t % 32 == 0) p[t / 32] = s; __syncthreads();
        if (t == 0) y[b] = p[0] + p[1];""",
    "butterflies": """__shared__ float p[2]; float s = x[b * 64 + t];
        for (int o = 16; o > 0; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
        if (t % 32 == 0) p[t / 32] = s; __syncthreads();
        if (t == 0) y[b] = p[0] + p[1];""",
    "pairs first": """__shared__ float p[32]; if (t < 32) p[t] = x[b * 64 + t] + x[b * 64 + t + 32];
        __syncthreads();
        for (int d = 16; d > 0; d /= 2) { if (t < d) p[t] += p[t + d]; __syncthreads(); }
        if (t == 0) y[b] = p[0];""",
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_has_one_form(name: str) -> None:
    text = "int t = threadIdx.x, b = blockIdx.x;\n" + SUMS[name]
    known = kernel(text, ("x", X), out("y", ROWS), grid=(ROWS,), block=(64,))
    form, flat, result = run_both(known, ("x", X))
    assert form.rung == "blocks", form.reason
    rows = X.reshape(ROWS, COLUMNS)
    np.testing.assert_allclose(flat, rows.sum(1, dtype=np.float64), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result, flat, rtol=1e-4, atol=1e-5)
    assert shapes(form.mod)[0][0] == [ROWS]
    assert [spatial for spatial, _ in shapes(form.mod)] == [[ROWS]]
    assert np.prod([np.prod(reduced) for _, reduced in shapes(form.mod)]) == COLUMNS


GEMMS = {
    "a thread for an element": """int c = blockIdx.x * 8 + threadIdx.x;
        int r = blockIdx.y * 8 + threadIdx.y;
        float s = 0; for (int k = 0; k < 24; k++) s += x[r * 24 + k] * w[k * 32 + c];
        y[r * 32 + c] = s;""",
    "tiles in shared memory": """__shared__ float a[8][8], b[8][9];
        int tx = threadIdx.x, ty = threadIdx.y, c = blockIdx.x * 8 + tx, r = blockIdx.y * 8 + ty;
        float s = 0; for (int k = 0; k < 24; k += 8) {
            a[ty][tx] = x[r * 24 + k + tx]; b[ty][tx] = w[(k + ty) * 32 + c]; __syncthreads();
            for (int j = 0; j < 8; j++) s += a[ty][j] * b[j][tx]; __syncthreads(); }
        y[r * 32 + c] = s;""",
}


@pytest.mark.parametrize("name", GEMMS)
def test_a_product_has_one_form(name: str) -> None:
    x, w = random(16 * 24), random(24 * 32, seed=1)
    given: tuple[Given, ...] = (("x", x), ("w", w))
    known = kernel(GEMMS[name], *given, out("y", 16 * 32), grid=(4, 2), block=(8, 8))
    form, flat, result = run_both(known, *given)
    assert form.rung == "blocks", form.reason
    wanted = x.reshape(16, 24).astype(np.float64) @ w.reshape(24, 32)
    np.testing.assert_allclose(flat, wanted.ravel(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result, flat, rtol=1e-4, atol=1e-5)
    assert shapes(form.mod) == [([16, 32], [24])]
    layouts = [[int(extent) for extent in param.shape] for param in form.mod["main"].params]
    assert layouts == [[16, 24], [24, 32], [16, 32]]


# text; rung; part of the reason; line of its place
REFUSED: dict[str, tuple[str, str, str, int]] = {
    "a carried dependence": (
        "if (t == 0) { y[0] = x[0];\nfor (int i = 1; i < 64; i++) y[i] = y[i / 2] * x[i]; }",
        "mixed",
        "as an earlier one left it",
        4,
    ),
    "a scatter in turns": (
        "if (t == 0) for (int i = 0; i < 64; i++) {\n"
        "y[i] = 0; y[(int)(x[i] * 8) & 63] = x[i]; }",
        "opaque",
        "stores to 'y' take turns",
        4,
    ),
    "an overlap": ("y[t] = 0; y[t / 2] = x[t];", "opaque", "write the same element of 'y'", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_has_a_reason(name: str) -> None:
    text, rung, reason, line = REFUSED[name]
    x = X[:64]
    given: tuple[Given, ...] = (("x", x),)
    known = kernel("int t = threadIdx.x;\n" + text, *given, out("y", 64), block=(64,))
    form, flat, result = run_both(known, *given)
    assert form.rung == rung
    assert reason in form.reason
    assert form.span is not None and form.span.line == line
    np.testing.assert_array_equal(result, flat)


def test_a_choice_of_the_same_number_is_that_number() -> None:
    body = "int t = threadIdx.x; y[t] = t < n[t] ? 0.0f : x[t] < 1.0f ? 0.0f : t < 9 ? 0.0f : 0.0f;"
    numbers = random(64, seed=1, dtype="int32")
    given: tuple[Given, ...] = (("x", random(64)), ("n", numbers), out("y", 64))
    form, flat, found = run_both(kernel(body, *given, block=(64,)), *given)
    assert np.array_equal(flat, found)
    assert "if_then_else" not in form.mod.script() and "Select" not in form.mod.script()
