"""Each kind of finding of a checked run is provoked, and absent from the correct twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from xpiler_tvm.emulation import KINDS, Finding, find_faults, run_text
from xpiler_tvm.errors import CheckError
from xpiler_tvm.kernel import Dialect, Kernel, Launch, Param, Scalar, Tensor

from .support import number, out, random, tensor


@dataclass(frozen=True)
class Case:
    """`text` is right; each `wrong` is an edit (old, new) and the kind and line it makes."""

    text: str
    params: tuple[Param | tuple[str, np.ndarray], ...]
    wrong: tuple[tuple[str, str, str, int], ...]
    grid: tuple[int, ...] = (1,)
    block: tuple[int, ...] = (32,)
    shared: int = 0
    dialect: Dialect = "cuda"
    tasks: tuple[int, ...] = ()
    kind: str = "block"


def faults(case: Case, text: str) -> tuple[Finding, ...]:
    arrays = {param[0]: param[1] for param in case.params if isinstance(param, tuple)}
    params = tuple(tensor(p[0], p[1]) if isinstance(p, tuple) else p for p in case.params)
    if case.tasks:
        launch = Launch(tasks=case.tasks, kind=case.kind)
    else:
        launch = Launch(case.grid, case.block, case.shared)
    for param in params:
        if isinstance(param, Tensor) and param.intent == "inout":
            arrays[param.name] = np.zeros(param.shape or (), param.dtype)
    dialect: Dialect = "bang" if case.tasks else case.dialect
    kernel = Kernel(text, dialect, "k", params, launch, filename="kernel.cu")
    return find_faults(kernel, arrays, seconds=20).findings


REVERSE = """__global__ void k(const float* x, float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}"""

DYNAMIC = """__global__ void k(const float* x, float* y, int n) {
  extern __shared__ float s[];
  float* half = s + n / 2;
  int t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  if (t < n / 2) y[t] = s[t] + half[t];
}"""

TREE = """__global__ void k(const float* x, float* y) {
  __shared__ float s[128];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  for (int d = 64; d > 0; d /= 2) {
    if (t < d) s[t] += s[t + d];
    __syncthreads();
  }
  if (t == 0) y[0] = s[0];
}"""

WARP = """__global__ void k(const float* x, float* y) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncwarp();
  float left = s[t ^ 1];
  __syncwarp();
  s[t] = left + 1;
  __syncwarp();
  y[t] = s[t ^ 2];
}"""

HALF_WARPS = """__global__ void k(const float* x, float* y) {
  __shared__ float s[32];
  int t = threadIdx.x;
  unsigned mask = t < 16 ? 0x0000ffffu : 0xffff0000u;
  s[t] = x[t];
  __syncwarp(mask);
  y[t] = s[t ^ 1];
}"""

HISTOGRAM = """__global__ void k(const int* x, int* y, int n) {
  __shared__ int bins[16];
  int t = threadIdx.x;
  if (t < 16) bins[t] = 0;
  __syncthreads();
  for (int i = t; i < n; i += blockDim.x) atomicAdd(&bins[x[i] & 15], 1);
  __syncthreads();
  if (t < 16) atomicAdd(&y[t], bins[t]);
}"""

CAS_LOOP = """__global__ void k(const float* x, float* y) {
  int* word = (int*)y;
  int old = word[0], seen;
  do {
    seen = old;
    old = atomicCAS(word, seen, __float_as_int(__int_as_float(seen) + x[threadIdx.x]));
  } while (old != seen);
}"""

LAST_BLOCK = """__global__ void k(const float* x, float* y, int* counter) {
  __shared__ bool last;
  int t = threadIdx.x, b = blockIdx.x;
  if (t == 0) y[b] = 2 * x[b];
  __threadfence();
  if (t == 0) last = atomicAdd(counter, 1) == gridDim.x - 1;
  __syncthreads();
  if (last && t == 0) {
    float sum = 0;
    for (int i = 0; i < gridDim.x; ++i) sum += y[i];
    y[gridDim.x] = sum;
  }
}"""

VECTORS = """__global__ void k(const float* x, float* y) {
  int t = threadIdx.x;
  float4 v = *(const float4*)(x + 4 * t);
  *(float4*)(y + 4 * t) = make_float4(v.w, v.z, v.y, v.x);
}"""

GUARDED = """__global__ void k(const int* x, int* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] / (x[i] + 200);
}"""

LOCALS = """__global__ void k(const float* x, float* y) {
  float part[4], sum = 0;
  for (int i = 0; i < 4; ++i) part[i] = x[4 * threadIdx.x + i];
  for (int i = 0; i < 4; ++i) sum += part[(i + threadIdx.x) & 3];
  y[threadIdx.x] = sum;
}"""

SHORT = """__global__ void k(unsigned char* y, int n) {
  int t = threadIdx.x;
  y[t] = t;
  if (t == 0) y[n - 1] = 7;
}"""

HEAP = """#include <stdlib.h>
void k(const float* x, float* y, int n) {
  float* first = (float*)aligned_alloc(64, n * 4 * 1024);
  float* second = (float*)malloc(n * 4);
  for (int i = 0; i < n * 1024; i++) first[i] = x[i % n];
  for (int i = 0; i < n; i++) second[i] = first[i * 1024];
  free(first);
  for (int i = 0; i < n; i++) y[i] = second[i];
  free(second);
}"""

CASES = {
    "memory from the heap": Case(
        HEAP,
        (("x", random(96)), out("y", 96), number("n", 96)),
        (
            ("i < n * 1024", "i <= n * 1024", "out of bounds", 5),
            ("y[i] = second[i]", "y[i] = first[i]", "out of bounds", 8),
            ("second[i] = first", "second[i / 2] = first", "uninitialised read", 8),
        ),
        dialect="vnni",
    ),
    "a reversal through shared memory": Case(
        REVERSE,
        (("x", random(64)), out("y", 64)),
        (
            ("__syncthreads();", "", "race", 5),
            ("s[63 -", "s[64 -", "out of bounds", 5),
            ("  s[", "  if (threadIdx.x < 60) s[", "uninitialised read", 5),
            ("y[threadIdx.x]", "y[threadIdx.x + 1]", "out of bounds", 5),
            ("y[threadIdx.x]", "y[threadIdx.x / 2]", "race", 5),
            ("x[threadIdx.x]", "x[threadIdx.x - 1]", "out of bounds", 3),
            ("s[64]", "s[32]", "out of bounds", 3),
            ("  __sync", "  if (threadIdx.x < 32) __sync", "race", 5),
        ),
        block=(64,),
    ),
    "dynamic shared memory": Case(
        DYNAMIC,
        (("x", random(48)), out("y", 24), number("n", 48)),
        (
            ("half[t];", "half[t + 1];", "out of bounds", 7),
            ("s[t] = x", "s[t + 1] = x", "out of bounds", 5),
            ("__syncthreads();", "__syncwarp();", "race", 7),
        ),
        block=(48,),
        shared=48 * 4,
    ),
    "a tree": Case(
        TREE,
        (("x", random(128)), out("y", 1)),
        (
            ("    __syncthreads();\n", "", "race", 7),
            ("  __syncthreads();\n  for", "  for", "race", 6),
            ("if (t < d) ", "if (t <= d) ", "out of bounds", 7),
            ("d = 64", "d = 128", "out of bounds", 7),
            (
                "  __syncthreads();\n  for",
                "  if (t < 64) __syncthreads();\n  for",
                "divergent barrier",
                8,
            ),
        ),
        block=(128,),
    ),
    "a warp's own memory": Case(
        WARP,
        (("x", random(64)), out("y", 64)),
        (
            ("  __syncwarp();\n  float", "  float", "race", 5),
            ("  __syncwarp();\n  s[t]", "  s[t]", "race", 6),
            ("  __syncwarp();\n  y", "  y", "race", 9),
            ("s[t ^ 2]", "s[t ^ 32]", "race", 10),
        ),
        block=(64,),
    ),
    "halves of a warp": Case(
        HALF_WARPS,
        (("x", random(32)), out("y", 32)),
        (("s[t ^ 1]", "s[t ^ 16]", "race", 7),),
    ),
    "a histogram": Case(
        HISTOGRAM,
        (("x", random(500, dtype="int32")), Tensor("y", (16,), "int32", "inout"), number("n", 500)),
        (
            ("atomicAdd(&bins[x[i] & 15], 1)", "bins[x[i] & 15] += 1", "race", 6),
            ("atomicAdd(&y[t], bins[t])", "y[t] += bins[t]", "race", 8),
            ("  __syncthreads();\n  for", "  for", "race", 5),
            ("  __syncthreads();\n  if (t < 16) atomic", "  if (t < 16) atomic", "race", 7),
            ("x[i] & 15", "x[i] & 31", "out of bounds", 6),
            ("bins[t] = 0", "bins[t] -= 1", "uninitialised read", 4),
        ),
        grid=(3,),
        block=(64,),
    ),
    "a compare-and-swap loop": Case(
        CAS_LOOP,
        (("x", random(64)), Tensor("y", (1,), "float32", "inout")),
        (("int old = word[0], seen;", "int old = word[0], seen; y[0] += 0.5f;", "race", 3),),
        block=(64,),
    ),
    "the last block adds up": Case(
        LAST_BLOCK,
        (("x", random(8)), out("y", 9), Tensor("counter", (1,), "int32", "inout")),
        (
            ("  __threadfence();\n", "", "race", 9),
            ("last && t", "t", "race", 10),
            ("atomicAdd(counter, 1)", "(*counter)++", "race", 6),
        ),
        grid=(8,),
    ),
    "vectors": Case(
        VECTORS,
        (("x", random(130)), out("y", 128)),
        (
            ("x + 4 * t)", "x + 4 * t + 1)", "misaligned access", 3),
            ("x + 4 * t)", "x + 4 * t + 4)", "out of bounds", 3),
            ("y + 4 * t", "y + 2 * t", "misaligned access", 4),
        ),
    ),
    "a guarded division": Case(
        GUARDED,
        (("x", random(50, dtype="int32")), out("y", 50, "int32"), number("n", 50)),
        (
            ("if (i < n)", "", "out of bounds", 3),
            ("i < n", "i <= n", "out of bounds", 3),
            ("x[i] + 200", "x[i] - x[i]", "division by zero", 3),
            ("x[i] + 200", "(2147483600 + i) * 2", "overflow", 3),
        ),
        grid=(2,),
    ),
    "local variables": Case(
        LOCALS,
        (("x", random(128)), out("y", 32)),
        (
            ("sum = 0;", "sum;", "uninitialised read", 4),
            ("i < 4; ++i) part", "i < 3; ++i) part", "uninitialised read", 0),
            ("& 3", "& 7", "out of bounds", 4),
        ),
    ),
    "bytes": Case(
        SHORT,
        (out("y", 33, "uint8"), number("n", 33)),
        (
            ("y[n - 1]", "y[n]", "out of bounds", 4),
            ("y[n - 1]", "y[n - 2]", "race", 4),
            ("y[n - 1] = 7", "*(int*)(y + 30) = 7", "out of bounds", 4),
        ),
    ),
    "HIP waves": Case(
        REVERSE.replace("64", "128").replace("63", "127"),
        (("x", random(128)), out("y", 128)),
        (("__syncthreads();", "", "race", 5),),
        block=(128,),
        dialect="hip",
    ),
}

WRONG = [
    pytest.param(name, *wrong, id=f"{name}: {wrong[0].strip()} -> {wrong[1].strip() or 'nothing'}")
    for name, case in CASES.items()
    for wrong in case.wrong
]


@pytest.mark.parametrize("name", CASES)
def test_a_correct_kernel_has_no_findings(name: str) -> None:
    assert [str(one) for one in faults(CASES[name], CASES[name].text)] == []


@pytest.mark.parametrize(("name", "old", "new", "kind", "line"), WRONG)
def test_a_fault_is_found_where_it_is(name: str, old: str, new: str, kind: str, line: int) -> None:
    case = CASES[name]
    assert case.text.count(old) == 1
    found = faults(case, case.text.replace(old, new))
    assert {one.kind for one in found} <= set(KINDS)
    mine = [one for one in found if one.kind == kind]
    assert mine, [str(one) for one in found]
    places = {place.line for one in mine for place in (one.span, one.other) if place}
    assert line in places or not line, [str(one) for one in found]


def test_a_finding_says_who_where_and_with_whom() -> None:
    case = CASES["a reversal through shared memory"]
    found = faults(case, case.text.replace("  __syncthreads();\n", ""))
    race = next(one for one in found if one.kind == "race" and "reads" in one.message)
    assert race.span is not None and race.other is not None
    assert (race.span.line, race.other.line) in {(4, 3), (3, 4)}
    assert race.who.startswith("thread (32, 0, 0) of block (0, 0, 0)")
    assert "'s'" in race.memory
    assert "thread (31, 0, 0)" in race.message
    text = str(race)
    assert text.startswith(f"kernel.cu:{race.span.line}:{race.span.column}: race: ")
    assert f"with kernel.cu:{race.other.line}" in text


def test_an_overrun_does_not_end_in_the_next_variable() -> None:
    text = """__device__ float total[8], other[8];
template <int N> __global__ void k(float* y) {
  __shared__ float a[N], b[N];
  float* p = threadIdx.x < N ? a : b;
  p[threadIdx.x % N] = 1;
  __syncthreads();
  y[threadIdx.x] = a[threadIdx.x % N] + b[threadIdx.x % N];
  if (threadIdx.x == 0) {
    float* q = total;
    for (int i = 0; i < 8; ++i) q[i] = i;
    y[64] = total[3] + other[3];
  }
}"""
    params = (out("y", 65),)
    for edits, lines in (
        ((), []),
        ((("p[threadIdx.x % N]", "p[threadIdx.x % N + (threadIdx.x == 31)]"),), [5]),
        ((("p[threadIdx.x % N]", "p[threadIdx.x % N - (threadIdx.x == 32)]"),), [5]),
        ((("i < 8; ++i", "i < 9; ++i"),), [10]),
    ):
        wrong = text
        for old, new in edits:
            assert old in wrong
            wrong = wrong.replace(old, new)
        kernel = Kernel(wrong, "cuda", "k<32>", params, Launch((1,), (64,)))
        found = find_faults(kernel, {}).findings
        bounds = [one for one in found if one.kind == "out of bounds"]
        assert [one.span.line for one in bounds if one.span] == lines, [str(one) for one in found]


def test_stores_of_the_same_value_do_no_harm() -> None:
    text = "__global__ void k(const int* x, int* y) { if (x[threadIdx.x] > 0) y[0] = %s; }"
    case = Case(text, (("x", random(32, dtype="int32")), Tensor("y", (1,), "int32", "inout")), ())
    assert faults(case, text % "1") == ()
    assert [one.kind for one in faults(case, text % "x[threadIdx.x]")] == ["race"]


def test_flags_that_blocks_pass_each_other() -> None:
    text = """__global__ void k(const float* x, float* y, volatile int* flag) {
  if (blockIdx.x == 0) {
    y[threadIdx.x] = x[threadIdx.x];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) *flag = 1;
  } else {
    if (threadIdx.x == 0) while (*flag == 0) {}
    __syncthreads();
    y[32 + threadIdx.x] = 2 * y[31 - threadIdx.x];
  }
}"""
    params = (("x", random(32)), out("y", 64), Tensor("flag", (1,), "int32", "inout"))
    case = Case(text, params, (), grid=(2,))
    assert faults(case, text) == ()
    found = faults(case, text.replace("    __threadfence();\n", ""))
    assert {one.kind for one in found} == {"race"}


def test_more_findings_than_are_kept_do_not_hide_the_first() -> None:
    lines = "\n".join(f"  y[{i}] = t;" for i in range(100))
    text = f"__global__ void k(int* y) {{\n  int t = threadIdx.x;\n{lines}\n}}"
    found = faults(Case(text, (out("y", 100, "int32"),), ()), text)
    assert len(found) >= 60
    assert all(one.kind == "race" for one in found)


def test_a_launch_beyond_the_device_is_a_finding() -> None:
    text = """__global__ void k(float* y) {
  __shared__ float s[%d];
  s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}"""
    for size, block in ((12289, 1), (2000, 1025)):
        case = Case(text, (out("y", block),), (), block=(block,))
        assert [one.kind for one in faults(case, text % size)] == ["capacity"]


def test_what_ends_a_run_is_a_finding() -> None:
    text = "__global__ void k(volatile int* y) { while (y[0] != 1) {} }"
    params = (Tensor("y", (1,), "int32", "inout"),)
    kernel = Kernel(text, "cuda", "k", params, Launch((1,), (1,)))
    run = find_faults(kernel, {"y": np.zeros(1, "int32")}, seconds=0.3)
    assert ([one.kind for one in run.findings], run.complete) == (["time"], False)


def test_global_variables_that_the_host_fills() -> None:
    text = """__constant__ float weights[3];
__device__ int calls;
__global__ void k(const float* x, float* y) {
  y[threadIdx.x] = weights[threadIdx.x % 3] * x[threadIdx.x];
  atomicAdd(&calls, 1);
}"""
    params = (Tensor("x", (32,)), out("y", 32))
    kernel = Kernel(text, "cuda", "k", params, Launch((1,), (32,)))
    x, weights = random(32), random(3, seed=1)
    symbols = {"weights": weights, "calls": np.array(10, "int32")}
    run = run_text(kernel, {"x": x}, symbols=symbols)
    np.testing.assert_array_equal(run.arrays["y"], np.resize(weights, 32) * x)
    assert run.arrays["calls"] == 42
    for wrong in ({"nosuch": weights}, {"weights": weights[:2]}):
        with pytest.raises(CheckError) as caught:
            run_text(kernel, {"x": x}, symbols=wrong)
        assert caught.value.code == "XP5007"


def test_scalars_are_as_good_as_constants() -> None:
    text = (
        "__global__ void k(float* y, float a, int n) { if (threadIdx.x < n) y[threadIdx.x] = a; }"
    )
    params = (out("y", 20), Scalar("a", "float32", 0.5), Scalar("n", "int32", 20))
    assert faults(Case(text, params, ()), text) == ()


def test_what_an_earlier_block_read_is_no_race() -> None:
    """Shared memory that a block only reads is another block's to write."""
    text = """__global__ void k(const float* x, float* y) {
  __shared__ float s[32];
  volatile float* v = s;
  int t = threadIdx.x;
  if (blockIdx.x > 0) s[t] = x[t];
  __syncthreads();
  y[blockIdx.x * 32 + t] = v[31 - t];
}"""
    case = Case(text, (("x", random(32)), out("y", 64)), (), grid=(2,))
    assert {one.kind for one in faults(case, text)} == {"uninitialised read"}
