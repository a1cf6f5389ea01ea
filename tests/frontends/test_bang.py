"""BANG C read as programs: launches, memories, copies, idioms; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import Kernel, Scalar, frontends
from xpiler_tvm.errors import XpilerError

from .bang_support import check, kernel, out, refusal

X = np.random.default_rng(1).uniform(-2, 2, 4096).astype("f4")
IDS = (
    *("taskId", "taskIdX", "taskIdY", "taskIdZ", "taskDim", "taskDimX", "taskDimY", "taskDimZ"),
    *("clusterId", "clusterDim", "coreId", "coreDim"),
)


# --- launches


@pytest.mark.parametrize(
    ("tasks", "kind"), [((6, 2), "block"), ((8, 1, 2), "union1"), ((16,), "union2")]
)
def test_ids(tasks: tuple[int, ...], kind: str) -> None:
    stores = "".join(f"y[taskId * 12 + {i}] = {name};" for i, name in enumerate(IDS))
    check(stores, out("y", int(np.prod(tasks)), 12, dtype="int32"), tasks=tasks, kind=kind)


def test_the_memory_core_takes_part_where_the_text_asks_for_it() -> None:
    text = """if (__is_mpu()) {{ __memcpy(s, x + clusterId * 64, 256, GDRAM2SRAM); }}
    __sync_cluster();
    if ({test}) {{
      __memcpy(a, s + coreId * 16, 64, SRAM2NRAM);
      __bang_add_scalar(a, a, coreId, 16);
      __memcpy(y + taskId * 16, a, 64, NRAM2GDRAM);
    }}"""
    declare = "__mlu_shared__ float s[64]; __nram__ float a[16];"
    for test in ("!__is_mpu()", "coreId != 0x80", "__is_ipu()"):
        body = text.format(test=test)
        about = {"declare": declare, "tasks": (8,), "kind": "union2"}
        got = check(body, ("x", X[:128]), out("y", 128), **about)
        np.testing.assert_allclose(got[16:32], X[16:32] + 1)


def test_clusters_exchange_their_sram() -> None:
    body = """if (coreId == 0) {
      __memcpy(a, x + taskIdX * 16, 64, GDRAM2NRAM);
      __memcpy(s, a, 64, NRAM2SRAM);
    }
    __sync_all();
    if (coreId == 0) __memcpy(t, s, 64, SRAM2SRAM, 1 - clusterId);
    __sync_all();
    if (coreId == 1) __memcpy(y + clusterId * 16, t, 64, SRAM2GDRAM);"""
    declare = "__mlu_shared__ float s[16], t[16]; __nram__ float a[16];"
    got = check(body, ("x", X[:128]), out("y", 32), declare=declare, tasks=(8,), kind="union2")
    np.testing.assert_array_equal(got, np.concatenate([X[64:80], X[:16]]))


def test_a_reduction_over_the_cores_of_a_cluster() -> None:
    body = """if (__is_mpu()) return;
    __memcpy(a, x + taskId * 64, 256, GDRAM2NRAM);
    a[0] = __bang_sum(a, 64);
    __memcpy(s + coreId, a, 4, NRAM2SRAM);
    __sync_all_ipu();
    for (int step = 0; step < 2; ++step) {
      if (coreId == step) {
        __memcpy(a, s, 16, SRAM2NRAM);
        y[step] = a[0] + a[1] + a[2] + a[3];
      }
      __sync_all_ipu();
    }"""
    declare = "__mlu_shared__ float s[4]; __nram__ float a[64];"
    check(body, ("x", X[:256]), out("y", 2), declare=declare, tasks=(4,), kind="union1")


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("if (__is_mpu()) return;\n__sync_all();\ny[taskId] = 1;", "XP2001", 7),
        ("if (coreId == 1) {\n__sync_cluster();\n}\ny[taskId] = 1;", "XP2001", 7),
        ("if (x[0] > 0) __sync_all();\ny[taskId] = 1;", "XP2001", 6),
        ("__bang_lock(0, 0);\ny[0] += 1;", "XP1009", 6),
        ("for (int i = 0; i < taskId; ++i) {\n__sync_all(); }\ny[0] = 1;", "XP2001", 7),
    ],
)
def test_barriers_that_some_core_misses(body: str, code: str, line: int) -> None:
    error = refusal(body, ("x", X[:4]), out("y", 4), tasks=(4,), kind="union1")
    assert (error.code, error.span and error.span.line) == (code, line)


@pytest.mark.parametrize(
    ("tasks", "kind", "code"),
    [((), "block", "XP1006"), ((3,), "union1", "XP1011"), ((4,), "union3", "XP1014")],
)
def test_launches_that_do_not_exist(tasks: tuple[int, ...], kind: str, code: str) -> None:
    with pytest.raises(XpilerError) as caught:
        kernel("y[taskId] = 1;", out("y", 4), tasks=tasks, kind=kind)
    assert caught.value.code == code


def test_a_launch_in_the_file() -> None:
    text = """#include <bang.h>
    __mlu_global__ void k(float* y, int n) { if (taskId < n) y[taskId] = taskDim; }
    void run(float* y, cnrtQueue_t queue) {
      cnrtDim3_t dim = {8, 1, 1};
      k<<<dim, cnrtFuncTypeUnion1, queue>>>(y, 6);
    }"""
    made = frontends.resolve(Kernel(text, "bang", filename="k.mlu"))
    assert made.launch is not None and made.launch.tasks == (8,) and made.launch.kind == "union1"
    reading = frontends.read(made)
    assert reading.kernel.params is not None and reading.kernel.params[1] == Scalar("n", value=6)
    assert reading.kernel.tensors[0].shape == (6,)


# --- memories and copies


def test_strided_copies() -> None:
    body = """__memcpy(a, x, 32, GDRAM2NRAM, 64, 128, 7);
    __memcpy(a + 256, x + 7 * 32, 16, GDRAM2NRAM, 16, -64, 3);
    __memcpy_async(b, x, 8, GDRAM2NRAM, 16, 3, 128, 1, 64, 1, 256, 3);
    __memcpy_async(b + 128, x, 8, GDRAM2NRAM, 16, 7, 0, 0, 64, 1, 256, 3);
    __sync_io();
    __memcpy(a + 512, a, 16, NRAM2NRAM);
    OUT(y, a, 1024); OUT(y + 1024, b, 256);"""
    declare = "__nram__ float a[1024], b[256];"
    check("__bang_write_zero(a, 1024); __bang_write_zero(b, 256);" + body,
          ("x", X), out("y", 1280), declare=declare)  # fmt: skip


def test_copies_that_overlap_are_moves() -> None:
    body = """IN(a, x, 64); __memcpy(a, a + 8, 128, NRAM2NRAM); __memcpy(a + 5, a, 128, NRAM2NRAM);
    OUT(y, a, 64);"""
    check(body, ("x", X[:64]), out("y", 64), declare="__nram__ float a[64];")


def test_sizes_that_differ_between_tasks_and_iterations() -> None:
    body = """int per = n / taskDim, rem = n % taskDim;
    int begin = taskId * per + (taskId < rem ? taskId : rem);
    int length = per + (taskId < rem ? 1 : 0);
    for (int i = 0; i < length; i += 100) {
      int m = length - i < 100 ? length - i : 100;
      __memcpy(a, x + begin + i, m * sizeof(float), GDRAM2NRAM);
      __bang_mul(a, a, a, m);
      __memcpy(y + begin + i, a, m * sizeof(float), NRAM2GDRAM);
    }"""
    declare = "__nram__ float a[100];"
    about = {"declare": declare, "tasks": (4,), "kind": "union1"}
    check(body, ("x", X[:1003]), out("y", 1003), ("n", 1003), **about)


def test_an_arena_of_several_types() -> None:
    text = """#include "bang.h"
#define SIZE (96 * 1024)
#define TILE 500
__nram__ int8_t arena[SIZE];
__mlu_global__ void k(const half* x, const float* bias, half* y, int n) {
  float* wide = (float*)arena;
  half* narrow = (half*)(arena + TILE * sizeof(float));
  float* added = (float*)(arena + SIZE / 2);
  int* index = (int*)(added + TILE);
  for (int i = taskId * TILE; i < n; i += taskDim * TILE) {
    int m = n - i < TILE ? n - i : TILE;
    __memcpy(narrow, x + i, m * sizeof(half), GDRAM2NRAM);
    __memcpy(added, bias + i, m * sizeof(float), GDRAM2NRAM);
    __bang_half2float(wide, narrow, m);
    __bang_add(wide, wide, added, m);
    index[0] = i;
    wide[0] += index[0] % 7;
    __bang_float2half_rn(narrow, wide, m);
    __memcpy(y + i, narrow, m * sizeof(half), NRAM2GDRAM);
  }
}"""
    about = {"tasks": (4,), "kind": "union1"}
    x = X[:1999].astype("f2")
    check(text, ("x", x), ("bias", X[:1999]), out("y", 1999, dtype="float16"), ("n", 1999), **about)


def test_a_pipeline_of_three_stages() -> None:
    text = """#include "bang.h"
#define TILE 64
__nram__ float in[2 * TILE], res[2][TILE];
__mlu_func__ void compute(float* to, const float* from, int n) {
  __bang_active_relu(to, from, n);
  __bang_mul_scalar(to, to, 3.0f, n);
}
__mlu_global__ void k(const float* x, float* y, int n) {
  if (coreId == 0x80) return;
  int per = n / taskDim;
  x += taskId * per; y += taskId * per;
  int repeat = per / TILE, rest = per % TILE;
  for (int t = 0; t < repeat + 2; ++t) {
    if (t >= 2)
      __memcpy_async(y + (t - 2) * TILE, res[t & 1], TILE * sizeof(float), NRAM2GDRAM);
    if (t >= 1 && t <= repeat) compute(res[(t - 1) & 1], in + (t - 1) % 2 * TILE, TILE);
    if (t < repeat)
      __memcpy_async(in + t % 2 * TILE, x + t * TILE, TILE * sizeof(float), GDRAM2NRAM);
    __sync();
  }
  if (rest) {
    __memcpy(in, x + repeat * TILE, rest * sizeof(float), GDRAM2NRAM);
    compute(res[0], in, rest);
    __memcpy(y + repeat * TILE, res[0], rest * sizeof(float), NRAM2GDRAM);
  }
}"""
    x = X[:1300]
    got = check(text, ("x", x), out("y", 1300), ("n", 1300), tasks=(4,), kind="union1")
    np.testing.assert_allclose(got, 3 * np.maximum(x, 0))


def test_weights_that_are_copied_bank_by_bank() -> None:
    body = """IN(a, x, 3 * 64);
    __memcpy(w, v, 256, GDRAM2WRAM, LANE, 63, 256, 1, 256, 127, 0, 0);
    __bang_matmul(c, a, w, 3, 64, 128); OUT(y, c, 384);"""
    declare = """#define LANE (__MLU_WRAM_SIZE__ * 1024 / 64)
    __nram__ float a[192], c[384]; __wram__ float w[__MLU_WRAM_SIZE__ * 256];"""
    v = X[: 64 * 64].reshape(64, 64)
    v = np.concatenate([v, v[::-1] * 2])
    got = check(body, ("x", X[:192]), ("v", v), out("y", 3, 128), declare=declare)
    np.testing.assert_allclose(got, X[:192].reshape(3, 64) @ v.T, rtol=1e-4, atol=1e-4)


def test_informal_kernels() -> None:
    text = """__mlu_global__ void k(const float* x, const float* w, float* y, int rows) {
  int mine = rows / taskDim;
  __nram__ float a[mine * 8], c[mine * 8];
  __memcpy(a, x + taskId * mine * 8, mine * 8 * sizeof(float), GDRAM2NRAM);
  for (int half_ = 0; half_ < 2; ++half_) {
    __wram__ float b[8 * 4];
    __nram__ float part[mine * 4];
    __memcpy(b, w + half_ * 32, 128, GDRAM2WRAM);
    __bang_matmul(part, a, b, mine, 8, 4);
    __bang_mul_const(part, part, 0.5, mine * 4);
    for (int r = 0; r < mine; ++r)
      __memcpy(c + r * 8 + half_ * 4, part + r * 4, 16, NRAM2NRAM);
  }
  __nram__ float sum[mine];
  for (int r = 0; r < mine; ++r) __bang_sumpool(sum + r, c + r * 8, 1, 1, 8, 1, 8, 1, 1);
  __bang_div(sum, sum, 8, mine);
  __memcpy(y + taskId * mine, sum, mine * sizeof(float), NRAM2GDRAM);
}"""
    about = {"tasks": (4,), "kind": "block", "mode": "lenient"}
    x, w = X[: 12 * 8].reshape(12, 8), X[128:192].reshape(2, 8, 4)
    got = check(text, ("x", x), ("w", w), out("y", 12), ("rows", 12), **about)
    np.testing.assert_allclose(got, (x @ w).sum((0, 2)) / 16, rtol=1e-4, atol=1e-5)


def test_vector_operations_on_arrays_in_gdram_are_an_assumption_of_lenient_mode() -> None:
    text = """
__mlu_global__ void twice(const float* x, float* y) {
  __bang_add(y, (float*)x, (float*)x, 64);
}"""
    error = refusal(text, ("x", X[:64]), out("y", 64))
    assert (error.code, error.span and error.span.line) == ("XP1002", 3)
    assert "lies in GDRAM" in error.message and "lenient" in error.hint
    made = kernel(text, ("x", X[:64]), out("y", 64), mode="lenient")
    assumed = [one for one in frontends.read(made).program.assumptions if "GDRAM" in one]
    assert [one.rpartition(": ")[2] for one in assumed] == [
        f"argument {number}, line 3" for number in (1, 2, 3)
    ]
    got = check(text, ("x", X[:64]), out("y", 64), mode="lenient")
    np.testing.assert_array_equal(got, 2 * X[:64])


# --- what is refused


DECLARE = "__nram__ float a[64], b[64]; __nram__ half h[64];\n__wram__ float w[4096];"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("__bang_add(a, a, y, 64);", "XP1002", "argument 3 lies in GDRAM, not in NRAM"),
        ("__bang_add(a, a, h, 64);", "XP1002", "different types"),
        ("__bang_add(a, a, 64);", "XP1002", "no form for these arguments"),
        ("__bang_log(h, h, 64);", "XP1002", "only for float32"),
        ("__bang_transpose(a, a, 8, 8);", "XP1002", "does not work in place"),
        ("__bang_add(a + 1, a, b, 32);", "XP1002", "overlap in part"),
        ("__bang_add(a + 64, b, b, 4);", "XP2006", "'a' has 64 elements"),
        ("__bang_cycle_add(a, a, b, 64, 7);", "XP1002", "no multiple of the period"),
        ("__bang_sumpool(a, b, 4, 4, 4, 2, 2, 2, 2);", "XP1002", "multiple of 128 bytes"),
        ("__bang_reshape_filter(a, b, 8, 1, 1, 8);", "XP1002", "multiple of 64"),
        ("__bang_matmul(a, b, b, 1, 16, 64);", "XP1002", "lies in NRAM, not in WRAM"),
        ("__bang_matmul(h, a, w, 1, 16, 64);", "XP1002", "no form for float16"),
        ("__memcpy(a, x, 64, NRAM2GDRAM);", "XP1002", "the destination lies in NRAM, not in GDRAM"),
        ("__memcpy(a, x, 64, GDRAM2NRAM, 64);", "XP1002", "name a cluster"),
        ("__memcpy(a, w, 64, WRAM2NRAM, 64, 64, 1);", "XP1002", "no WRAM2NRAM copies with strides"),
        ("__bang_write_value(a, 64, 1.0);", "XP1002", "no vectors of double"),
        ("__bang_histogram(a, a, 64);", "XP1009", "not read"),
        ("__bang_nothing(a, a, 64);", "XP1010", "__bang_nothing"),
        ('__bang_printf("x");', "XP1009", "printing"),
        ("__mlu_shared__ float s[4]; s[0] = 1;", "XP1011", "SRAM"),
    ],
)
def test_calls_that_are_not_valid(body: str, code: str, said: str) -> None:
    error = refusal(f"\n{body}\ny[0] = a[0];", ("x", X[:64]), out("y", 64), declare=DECLARE)
    assert error.code == code and said in error.message, error
    assert error.span is not None and (error.span.file, error.span.line) == ("kernel.mlu", 8)
    assert error.span.text == body
