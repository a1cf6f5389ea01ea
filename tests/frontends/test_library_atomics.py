"""Atomic operations: the flat program against the emulated source."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import ReadError, frontends
from xpiler_tvm.frontends.library.atomics import IN_ORDER
from xpiler_tvm.frontends.program import Loop, Program, Statement, Store
from xpiler_tvm.kernel import Dialect

from .support import Given, flat_and_source, kernel, out, random

X = random(64)
N = random(64, seed=2, dtype="int32")

# A body, its parameters, threads, dialect.
PROGRAMS: dict[str, tuple[str, tuple[Given, ...], int, Dialect]] = {
    "sums in shared memory": (
        """__shared__ int s[4]; int t = threadIdx.x; if (t < 4) s[t] = 0; __syncthreads();
atomicAdd(&s[n[t] & 1], n[t]); atomicMax(s + 2, n[t]); __syncthreads(); y[t] = s[t & 3];""",
        (("n", N), out("y", 64, dtype="int32")),
        64,
        "cuda",
    ),
    "old values": (
        """y[0] = 3; y[1] = atomicMax(y, n[5]); y[2] = atomicAdd_block(y, 7);
y[3] = atomicCAS(y, 3, 9); y[4] = y[0]; y[5] = atomicCAS(y, y[4], 1); y[6] = atomicExch(y, 1);
y[7] = atomicMin(y, -4);
y[8] = atomicAnd(y, 3); y[9] = atomicOr_system(y, 8);
y[10] = atomicXor(y, 1); y[11] = atomicSub(y, 2);""",
        (("n", N), out("y", 12, dtype="int32")),
        1,
        "cuda",
    ),
    "counters that wrap": (
        """y[0] = 4; y[1] = 0; for (int i = 0; i < 3; i++) y[2 + i] = atomicInc(y, 5u);
for (int i = 0; i < 3; i++) y[5 + i] = atomicDec(y + 1, 7u);""",
        (out("y", 8, dtype="uint32"),),
        1,
        "cuda",
    ),
    "a maximum by compare and swap": (
        """__shared__ float best; int t = threadIdx.x; if (t == 0) best = -1e30f; __syncthreads();
int* p = (int*)&best; int old = *p, seen;
do { seen = old; if (__int_as_float(seen) >= x[t]) break;
  old = atomicCAS(p, seen, __float_as_int(x[t])); } while (old != seen);
__syncthreads(); y[t] = best;""",
        (("x", X), out("y", 64)),
        64,
        "cuda",
    ),
    "sums of reals in global memory": (
        "y[threadIdx.x] = 0; __syncthreads(); atomicAdd(y + (n[threadIdx.x] & 7), x[threadIdx.x]);",
        (("x", X), ("n", N), out("y", 64)),
        64,
        "cuda",
    ),
    "sums of pairs": (
        """__half2* p = (__half2*)y; int t = threadIdx.x; p[t] = __floats2half2_rn(0.f, 1.f);
__syncthreads(); atomicAdd(p + (t & 3), __floats2half2_rn(1.5f * t, 2.f));""",
        (out("y", 128, dtype="float16"),),
        64,
        "cuda",
    ),
    "vectors": (
        """float4* p = (float4*)y; int t = threadIdx.x; p[t] = make_float4(0, 0, 0, 0);
__syncthreads(); atomicAdd(p, make_float4(t, 1, 2, 3));""",
        (out("y", 16),),
        4,
        "cuda",
    ),
    "Clang's own": (
        """y[0] = 0; __hip_atomic_fetch_add(y, 3, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
int e = 3;
bool same = __hip_atomic_compare_exchange_strong(y, &e, 8, __ATOMIC_RELAXED, __ATOMIC_RELAXED,
                                                 __HIP_MEMORY_SCOPE_AGENT);
y[1] = same + e + __hip_atomic_load(y, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
y[2] = __hip_atomic_exchange(y, 4, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
__hip_atomic_store(y + 3, 5, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
y[4] = __hip_atomic_compare_exchange_weak(y, &e, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED,
                                          __HIP_MEMORY_SCOPE_AGENT) + e;""",
        (out("y", 5, dtype="int32"),),
        1,
        "hip",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_atomics(name: str) -> None:
    text, params, threads, dialect = PROGRAMS[name]
    flat, source = flat_and_source(text, *params, block=(threads,), dialect=dialect)
    if flat.dtype == np.float32:  # threads take another order
        np.testing.assert_allclose(flat, source, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(flat, source)


COMPACTION = """__shared__ int count; int t = threadIdx.x; if (t == 0) count = 0; y[t] = -1;
__syncthreads(); if (x[t] > 0) y[atomicAdd(&count, 1)] = x[t];"""


def test_places_from_a_counter() -> None:
    flat, source = flat_and_source(COMPACTION, ("x", X), out("y", 64), block=(64,))
    np.testing.assert_array_equal(np.sort(flat), np.sort(source))


def test_the_order_is_assumed_not_to_matter() -> None:
    program = frontends.read(kernel(COMPACTION, ("x", X), out("y", 64), block=(64,))).program
    assert IN_ORDER in program.assumptions
    plain = "y[threadIdx.x] = 0; __syncthreads(); atomicAdd(y, x[threadIdx.x]);"
    program = frontends.read(kernel(plain, ("x", X), out("y", 64), block=(64,))).program
    assert IN_ORDER not in program.assumptions
    assert _marked(program) == [False, True]


def _marked(program: Program) -> list[bool]:
    found: list[bool] = []

    def visit(body: tuple[Statement, ...]) -> None:
        for statement in body:
            if isinstance(statement, Store):
                found.append(statement.atomic)
            if isinstance(statement, Loop):
                visit(statement.body)

    visit(program.body)
    return found


def test_a_type_that_the_hardware_has_no_operation_for_is_refused() -> None:
    with pytest.raises(ReadError, match="has no form for float") as refusal:
        frontends.read(kernel("y[0] = 0; atomicMax(y, x[0]);", ("x", X), out("y", 1)))
    assert refusal.value.code == "XP1009"
