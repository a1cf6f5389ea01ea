"""Kernels in BANG C whose cores share what lies in SRAM, as people write them."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import frontends
from xpiler_tvm.frontends.raising import raise_program

from .bang_support import check, kernel, out, refusal

OWN_LOOPS = """#include <bang.h>
#define N 4096
#define PART 1024
__mlu_shared__ float part[2][PART];
__nram__ float mine[PART / 4];
__mlu_global__ void scale(const float* x, float* y) {
  const int base = taskIdY * N;
  if (__is_mpu()) {
    __memcpy(part[0], x + base, PART * sizeof(float), GDRAM2SRAM);
    __sync_cluster();
    for (int i = 0; i < N / PART; ++i) {
      if (i + 1 < N / PART)
        __memcpy(part[(i + 1) & 1], x + base + (i + 1) * PART, PART * sizeof(float), GDRAM2SRAM);
      __sync_cluster();
    }
    return;
  }
  __sync_cluster();
  for (int i = 0; i < N / PART; ++i) {
    __memcpy(mine, part[i & 1] + coreId * (PART / 4), PART / 4 * sizeof(float), SRAM2NRAM);
    __bang_mul_scalar(mine, mine, 2.0f, PART / 4);
    __memcpy(y + base + i * PART + coreId * (PART / 4), mine, PART / 4 * sizeof(float), NRAM2GDRAM);
    __sync_cluster();
  }
}
"""
"""The memory core has a loop of its own; each meets the others at its own barriers."""

COOPERATIVE = """#include <bang.h>
#define M 64
#define K 128
#define N 64
__mlu_shared__ half weights[N * K];
__nram__ half rows[4 * K];
__nram__ float sums[4 * N];
__wram__ half filters[N * K];
__mlu_global__ void gemm(const half* a, const half* b, float* c) {
  if (__is_mpu()) return;
  const int mine = coreId * (N / 4) * K;
  __memcpy(weights + mine, b + mine, N / 4 * K * sizeof(half), GDRAM2SRAM);
  __sync_all_ipu();
  __memcpy(filters, weights, N * K * sizeof(half), SRAM2WRAM);
  for (int i = taskId * 4; i < M; i += taskDim * 4) {
    __memcpy(rows, a + i * K, 4 * K * sizeof(half), GDRAM2NRAM);
    __bang_conv(sums, rows, filters, K, 4, 1, 1, 1, 1, 1, N);
    __memcpy(c + i * N, sums, 4 * N * sizeof(float), NRAM2GDRAM);
  }
}
"""
"""The cores of a cluster each bring a quarter of the weights into SRAM; all use all of them."""

HANDED_ON = """#include <bang.h>
#define ROWS 32
#define LEN 256
__mlu_shared__ float row[LEN];
__nram__ float w[LEN], v[LEN];
__mlu_global__ void add_row(const float* x, const float* bias, float* y) {
  if (__is_mpu()) {
    if (clusterId == 0) {
      __memcpy(row, bias, LEN * sizeof(float), GDRAM2SRAM);
      for (int other = 1; other < clusterDim; ++other)
        __memcpy(row, row, LEN * sizeof(float), SRAM2SRAM, other);
    }
  }
  __sync_all();
  if (__is_mpu()) return;
  __memcpy(w, row, LEN * sizeof(float), SRAM2NRAM);
  for (int r = taskId; r < ROWS; r += taskDim) {
    __memcpy(v, x + r * LEN, LEN * sizeof(float), GDRAM2NRAM);
    __bang_add(v, v, w, LEN);
    __memcpy(y + r * LEN, v, LEN * sizeof(float), NRAM2GDRAM);
  }
}
"""
"""The first cluster brings a row and hands it on to the others' SRAM."""

POINTERS = """#include <bang.h>
#define M 16
#define K 512
#define STEP 128
#define N 64
__mlu_shared__ int8_t even[N * STEP], odd[N * STEP];
__nram__ int8_t a_nram[M / 4 * STEP];
__nram__ float product[M / 4 * N], sum[M / 4 * N];
__wram__ int8_t w[N * STEP];
__mlu_func__ void bring(int8_t* to, const int8_t* b, int step) {
  __memcpy(to, b + step * STEP, STEP, GDRAM2SRAM, STEP, K, N - 1);
}
__mlu_global__ void gemm(const int8_t* a, const int8_t* b, float* c) {
  int8_t *now = even, *next = odd;
  if (coreId == 0x80) bring(now, b, 0);
  else __bang_write_zero(sum, M / 4 * N);
  __sync_cluster();
  for (int step = 0; step < K / STEP; ++step) {
    if (coreId == 0x80) {
      if (step + 1 < K / STEP) bring(next, b, step + 1);
    } else {
      const int8_t* rows = a + coreId * (M / 4) * K + step * STEP;
      __memcpy(a_nram, rows, STEP, GDRAM2NRAM, STEP, K, M / 4 - 1);
      __memcpy(w, now, N * STEP, SRAM2WRAM);
      __bang_matmul(product, a_nram, w, M / 4, STEP, N);
      __bang_add(sum, sum, product, M / 4 * N);
    }
    __sync_cluster();
    int8_t* other = now;
    now = next;
    next = other;
  }
  if (coreId == 0x80) return;
  __memcpy(c + coreId * (M / 4) * N, sum, M / 4 * N * sizeof(float), NRAM2GDRAM);
}
"""
"""Two buffers in SRAM that change places; the memory core is told by its number."""

BOTH_WAYS = """#include <bang.h>
#define ROWS 4
#define LEN 512
__mlu_shared__ float in[2][4 * LEN], out[2][4 * LEN];
__nram__ float v[LEN];
__mlu_global__ void square(const float* x, float* y) {
  const int first = (taskIdY * clusterDim + clusterId) * ROWS * 4;
  for (int step = 0; step < ROWS + 2; ++step) {
    if (__is_mpu()) {
      const int size = 4 * LEN * sizeof(float), row = first + step * 4;
      if (step < ROWS) __memcpy(in[step % 2], x + row * LEN, size, GDRAM2SRAM);
      if (step > 1) __memcpy(y + (row - 8) * LEN, out[step % 2], size, SRAM2GDRAM);
    } else if (step > 0 && step <= ROWS) {
      __memcpy(v, in[(step - 1) % 2] + coreId * LEN, LEN * sizeof(float), SRAM2NRAM);
      __bang_mul(v, v, v, LEN);
      __memcpy(out[(step - 1) % 2] + coreId * LEN, v, LEN * sizeof(float), NRAM2SRAM);
    }
    __sync_cluster();
  }
}
"""
"""A job of four clusters, each with its own rows; a step ahead, results go out through SRAM too."""

RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def small(*shape: int, dtype: str) -> np.ndarray:
    return RNG.integers(-4, 5, shape).astype(dtype)


X = normal(3, 4096)
ROWS, BIAS = normal(32, 256), normal(256)
HALF_A, HALF_B = small(64, 128, dtype="float16"), small(64, 128, dtype="float16")
BYTES_A, BYTES_B = small(16, 512, dtype="int8"), small(64, 512, dtype="int8")
LINES = normal(128, 512)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) @ b.astype(np.float32).T


CASES = {
    "loops of their own": (OWN_LOOPS, [("x", X), out("y", 3, 4096)], (4, 3), "union1", 2 * X),
    "cooperative": (
        COOPERATIVE,
        [("a", HALF_A), ("b", HALF_B), out("c", 64, 64)],
        (4,),
        "union1",
        product(HALF_A, HALF_B),
    ),
    "handed on": (
        HANDED_ON,
        [("x", ROWS), ("bias", BIAS), out("y", 32, 256)],
        (16,),
        "union4",
        ROWS + BIAS,
    ),
    "pointers": (
        POINTERS,
        [("a", BYTES_A), ("b", BYTES_B), out("c", 16, 64)],
        (4,),
        "union1",
        product(BYTES_A, BYTES_B),
    ),
    "both ways": (BOTH_WAYS, [("x", LINES), out("y", 128, 512)], (16, 2), "union4", LINES**2),
}


@pytest.mark.parametrize("name", CASES)
def test_kernels_lift_to_blocks(name: str) -> None:
    text, params, tasks, kind, wanted = CASES[name]
    got = check(text, *params, tasks=tasks, kind=kind)  # type: ignore[arg-type]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    reading = frontends.read(kernel(text, *params, tasks=tasks, kind=kind))  # type: ignore[arg-type]
    raised = raise_program(reading.program)
    assert raised.rung == "blocks", raised.reason


# --- barriers of both kinds of cores, each at a place of its own


def own_loops(*changes: tuple[str, str]) -> str:
    text = OWN_LOOPS
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


MEETINGS = {
    "one round more": ("i < N / PART; ++i) {\n      if", "i <= N / PART; ++i) {\n      if"),
    "no barrier in a loop": ("      __sync_cluster();\n    }\n    return;", "    }\n    return;"),
    "no barrier before": (
        "GDRAM2SRAM);\n    __sync_cluster();\n    for", "GDRAM2SRAM);\n    for",
    ),
    "a barrier of all": (
        "      __sync_cluster();\n    }\n    return;",
        "      __sync_cluster();\n    }\n    __sync_all_mpu();\n    __sync_cluster();\n    return;",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEETINGS)
def test_kinds_of_cores_that_do_not_meet_each_other(name: str) -> None:
    text = own_loops(MEETINGS[name])
    error = refusal(text, ("x", X), out("y", 3, 4096), tasks=(4, 3), kind="union1")
    assert error.code == "XP2001"
    assert "not every core" in error.message
    assert error.span is not None and "__sync_cluster" in error.span.text


def test_kinds_that_meet_under_the_same_condition() -> None:
    text = """
    if (__is_mpu()) {
      if (clusterId == 1) { __memcpy(s, x, 64, GDRAM2SRAM); __sync_cluster(); }
    } else {
      float factor = 2.0f;
      if (clusterId == 1) {
        factor = 3.0f;
        __sync_cluster();
        __memcpy(a, s, 64, SRAM2NRAM);
      } else {
        __bang_write_value(a, 16, 1.0f);
      }
      __bang_mul_scalar(a, a, factor, 16);
      __memcpy(y + taskId * 16, a, 64, NRAM2GDRAM);
    }"""
    declare = "__mlu_shared__ float s[16]; __nram__ float a[16];"
    x = normal(16)
    got = check(text, ("x", x), out("y", 8, 16), declare=declare, tasks=(8,), kind="union2")
    np.testing.assert_allclose(got, np.repeat([np.full(16, 2), 3 * x], 4, 0), rtol=1e-6)
