"""Barriers, locals that live across them, and shuffles: many threads as one program."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import frontends
from xpiler_tvm.errors import LiftError
from xpiler_tvm.frontends.program import (
    Alloc,
    Barrier,
    Body,
    Branch,
    Loop,
    Statement,
    holds_barrier,
)

from .support import Given, flat_and_source, kernel, out, random, run_flat

X = random(64)
T = "int t = threadIdx.x;\n"
SHARED = T + "__shared__ float s[64]; "
LANES = np.arange(64)


def statements(body: Body) -> list[Statement]:
    found: list[Statement] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, Loop):
            found += statements(statement.body)
        elif isinstance(statement, Branch):
            found += statements((*statement.then, *statement.other))
    return found


def tree(text: str) -> np.ndarray:
    """What thread 0's rows of 64 reductions give."""
    return run_flat(text, ("x", X), out("y", 64), block=(64,))


PROGRAMS: dict[str, tuple[str, np.ndarray]] = {
    "reversal": (SHARED + "s[t] = x[t]; __syncthreads(); y[t] = s[63 - t];", X[::-1]),
    "a local across a barrier": (
        SHARED + "float v = x[t] * 2; s[t] = v; __syncthreads(); y[t] = v + s[(t + 1) % 64];",
        X * 2 + np.roll(X * 2, -1),
    ),
    "an array across a barrier": (
        SHARED + "float v[2]; v[0] = x[t]; v[1] = 3; s[t] = v[0]; __syncthreads();"
        "v[t & 1] += s[63 - t]; y[t] = v[0] - v[1];",
        X - 3 + np.where(LANES % 2 == 0, 1, -1) * X[::-1],
    ),
    "a loop with a barrier": (
        SHARED + "s[t] = x[t]; __syncthreads(); for (int d = 32; d > 0; d >>= 1) {"
        "if (t < d) s[t] += s[t + d]; __syncthreads(); } y[t] = s[0];",
        np.full(64, X.sum(dtype=np.float64)),
    ),
    "an accumulator across a loop's barriers": (
        SHARED + "float a = 0; for (int r = 0; r < 4; r++) { s[t] = x[t] * r; __syncthreads();"
        "a += s[(t + r) % 64]; __syncthreads(); } y[t] = a;",
        sum(np.roll(X, -r) * r for r in range(4)),
    ),
    "a barrier in a uniform branch": (
        SHARED + "s[t] = 1; y[t] = 0; for (int r = 0; r < 2; r++) if (r == 1) {"
        "s[t] = x[t]; __syncthreads(); y[t] = s[63 - t]; }",
        X[::-1],
    ),
    "reading back before writing": (
        SHARED + "s[t] = x[t]; __syncthreads(); for (int d = 1; d < 64; d *= 2) {"
        "float v = t >= d ? s[t - d] : 0; __syncthreads(); s[t] += v; __syncthreads(); }"
        "y[t] = s[t];",
        X.cumsum(dtype=np.float64),
    ),
    "a volatile-free warp tail": (
        SHARED + "s[t] = x[t]; __syncthreads(); if (t < 32) { float v = s[t] + s[t + 32];"
        "for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(~0u, v, o);"
        "if (t == 0) s[0] = v; } __syncthreads(); y[t] = s[0];",
        np.full(64, X.sum(dtype=np.float64)),
    ),
    "shuffle down": (
        T + "y[t] = __shfl_down_sync(0xffffffff, x[t], 3);",
        X[np.where(LANES % 32 + 3 < 32, LANES + 3, LANES)],
    ),
    "shuffle up": (
        T + "y[t] = __shfl_up_sync(0xffffffff, x[t], 5);",
        X[np.where(LANES % 32 >= 5, LANES - 5, LANES)],
    ),
    "shuffle xor": (T + "y[t] = __shfl_xor_sync(0xffffffff, x[t], 9);", X[LANES ^ 9]),
    "shuffle from a lane": (
        T + "y[t] = __shfl_sync(0xffffffff, x[t], 7);",
        X[LANES // 32 * 32 + 7],
    ),
    "shuffle within a width": (
        T + "y[t] = __shfl_sync(0xffffffff, x[t], 11, 8) + __shfl_down_sync(~0u, x[t], 4, 8);",
        X[LANES // 8 * 8 + 3] + X[np.where(LANES % 8 < 4, LANES + 4, LANES)],
    ),
    "butterfly": (
        T + "float v = x[t]; for (int m = 16; m > 0; m /= 2) v += __shfl_xor_sync(~0u, v, m);"
        "y[t] = v;",
        np.repeat(X.reshape(2, 32).sum(1, dtype=np.float64), 32),
    ),
    "warps through shared memory": (
        T + "__shared__ float s[2]; float v = x[t];"
        "for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_down_sync(~0u, v, o));"
        "if (t % 32 == 0) s[t / 32] = v; __syncthreads(); y[t] = fmaxf(s[0], s[1]);",
        np.full(64, X.max()),
    ),
    "early return before a barrier of the rest": (
        SHARED + "if (blockIdx.x > 0) return; s[t] = x[t]; __syncthreads(); y[t] = s[t ^ 1];",
        X[LANES ^ 1],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text, wanted = PROGRAMS[name]
    np.testing.assert_allclose(tree(text), wanted, rtol=1e-5, atol=1e-5)


def test_two_dimensions_of_threads() -> None:
    text = """__shared__ float s[4][8];
    int c = threadIdx.x, r = threadIdx.y, b = blockIdx.x * 8;
    s[r][c] = x[r * 16 + b + c];
    __syncthreads();
    y[(b + c) * 4 + r] = s[r][c];"""
    found = run_flat(text, ("x", X), out("y", 64), grid=(2, 1), block=(8, 4))
    np.testing.assert_array_equal(found, X.reshape(4, 16).T.ravel())


def test_dynamic_shared_memory() -> None:
    text = "extern __shared__ float s[];" + T
    text += "s[t] = x[t]; __syncthreads(); y[t] = s[63 - t];"
    found = run_flat(text, ("x", X), out("y", 64), block=(64,), shared=256)
    np.testing.assert_array_equal(found, X[::-1])


def test_phases_have_thread_loops_of_their_own() -> None:
    known = kernel(PROGRAMS["a local across a barrier"][0], ("x", X), out("y", 64), block=(64,))
    program = frontends.read(known).program
    assert not any(map(holds_barrier, program.body))
    assert not any(isinstance(found, Barrier) for found in statements(program.body))
    phases = [found for found in statements(program.body) if isinstance(found, Loop)]
    assert [int(phase.extent) for phase in phases] == [64, 64]
    assert all(phase.parallel for phase in phases)
    assert not phases[0].var.same_as(phases[1].var)
    sizes = {a.buffer.name: int(a.buffer.shape[0]) for a in program.body if isinstance(a, Alloc)}
    assert sizes == {"s": 64, "v": 64}, "the local has an element for each thread"


def test_without_barriers_nothing_is_assumed_about_races() -> None:
    plain = frontends.read(kernel(T + "y[t] = x[t];", ("x", X), out("y", 64), block=(64,)))
    split = frontends.read(kernel(PROGRAMS["reversal"][0], ("x", X), out("y", 64), block=(64,)))
    race = "threads do not race between two barriers"
    assert race not in plain.program.assumptions
    assert race in split.program.assumptions


# text after the line that declares t; line and column of the error; part of the message
REFUSED: dict[str, tuple[str, tuple[int, int], str]] = {
    "some threads": (
        "if (t < 16)\n  { y[t] = x[t]; __syncthreads(); }\n",
        (4, 18),
        "not every thread of the block reaches this barrier",
    ),
    "a condition on data": (
        "y[t] = 0;\n  if (x[t] > 0) { __syncthreads(); y[t] = 1; }\n",
        (4, 3),
        "a condition that depends on data of each thread",
    ),
    "rounds by thread": (
        "y[t] = 0;\nfor (int i = 0; i < t; i++) { __syncthreads(); y[t] += 1; }",
        (4, 31),
        "not every thread of the block reaches this barrier",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, place, message = REFUSED[name]
    with pytest.raises(LiftError) as refusal:
        frontends.read(kernel(T + text, ("x", X), out("y", 64), block=(64,)))
    error = refusal.value
    assert error.code == "XP2001"
    assert message in error.message
    assert error.span is not None
    assert (error.span.line, error.span.column) == place


# Conditions that depend on data and are the same for all threads, of a block or of a warp.
BY_DATA: dict[str, tuple[str, str]] = {
    "rounds": (
        "y[t] = 0; for (int i = 0; i < (int)x[0] + 3; i++) { s[t] = x[t] + i; __syncthreads();"
        " y[t] += s[63 - t]; __syncthreads(); }",
        "line 3",
    ),
    "until": (
        "float v = x[0] + 4; int k = 0; while (v > 0.1f) { v = v * 0.5f; s[t] = v + t;"
        " __syncthreads(); k += (int)s[63 - t]; __syncthreads(); } y[t] = k;",
        "line 3",
    ),
    "a flag": (
        "__shared__ int flag; if (t == 0) flag = x[5] > -2; __syncthreads(); y[t] = 1;\n"
        "if (flag) { s[t] = x[t]; __syncthreads(); y[t] = s[63 - t]; }",
        "line 4",
    ),
    "halving": (
        "int n = (int)(x[0] / 2) + 64; s[t] = x[t]; __syncthreads();"
        " for (int w = n / 2; w > 0; w >>= 1) { if (t < w) s[t] += s[t + w]; __syncthreads(); }"
        " y[t] = s[0];",
        "line 3",
    ),
    "a warp leaves": (
        "y[t] = 0; float v = x[t / 32]; if (v > x[0]) return;"
        " v = x[t]; for (int d = 16; d; d /= 2) v += __shfl_xor_sync(~0u, v, d); y[t] = v;",
        "",
    ),
    "rounds of a warp": (
        "float v = x[t], r = 0; int w = t / 32; int n = (int)(x[w] * 4) + 5;"
        " for (int i = 0; i < n; i++) { r += __shfl_sync(~0u, v, i); } y[t] = r;",
        "",
    ),
    "rows of a warp": (
        "float r = 0; for (int row = t / 32; row < 5; row += 2) { float v = x[row] * t;"
        " for (int d = 16; d; d >>= 1) v += __shfl_down_sync(~0u, v, d); r += v; } y[t] = r;",
        "",
    ),
}


@pytest.mark.parametrize("name", BY_DATA)
def test_conditions_by_data(name: str) -> None:
    text, assumption = BY_DATA[name]
    body = f"{T}__shared__ float s[64]; {text}"
    given: tuple[Given, ...] = (("x", X), out("y", 64))
    flat, source = flat_and_source(body, *given, block=(64,))
    np.testing.assert_array_equal(flat, source)
    found = frontends.read(kernel(body, *given, block=(64,))).program.assumptions
    assert any(assumption in one and "same for all threads" in one for one in found) == bool(
        assumption
    )
