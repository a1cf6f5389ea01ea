"""Loops and integers whose text says less than they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm_ffi
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.integers import plain
from xpiler_tvm.frontends.raising.minmax import parts_of

from .evaluation import value_of
from .support import Given, kernel, out, random, run_both

N = 77
X = random(N)
GIVEN: tuple[Given, ...] = (("x", X),)

# Bodies of a kernel of 32 threads that double x, in one block after raising.
COUNTED = {
    "two bounds": "int i = t * 3; while (i < t * 3 + 3 && i < 77) { y[i] = 2 * x[i]; i++; }",
    "an unsigned stride": "for (int i = t; i < 77; i += blockDim.x) y[i] = 2 * x[i];",
    "an unsigned stride in a while": """int i = t;
        while (i < 77) { y[i] = 2 * x[i]; i += blockDim.x; }""",
    "the counter first": """int i = (int)t - 32;
        while (i < 77 - 32 && i < 60) { i += blockDim.x; y[i] = 2 * x[i]; }""",
    "unsigned halves": """int i = (int)(threadIdx.x * 3u - 5u);
        for (int k = 0; k < 3; k++) if (i + 5 + k < 77) y[i + 5 + k] = 2 * x[i + k + 5];""",
}


@pytest.mark.parametrize("name", COUNTED)
def test_it_is_one_block(name: str) -> None:
    text = "int t = threadIdx.x;\n" + COUNTED[name]
    form, flat, result = run_both(kernel(text, *GIVEN, out("y", N), block=(32,)), *GIVEN)
    assert form.rung == "blocks", form.reason
    np.testing.assert_array_equal(flat, 2 * X)
    np.testing.assert_array_equal(result, 2 * X)
    assert str(form.mod).count("T.sblock(") == 2, str(form.mod)


OPEN = {
    "a bound from memory": "int i = 0;\nwhile (i < (int)x[0] && i < 9) { y[i] = i; i++; }",
    "two counters": "int i = 0, j = 9;\nwhile (i < j && x[i] < 9) { i++; j -= 2; }\ny[0] = i;",
    "a step from memory": "int i = 0;\nwhile (i < 77) { i += x[i] > 0 ? 2 : 1; }\ny[0] = i;",
}


@pytest.mark.parametrize("name", OPEN)
def test_what_data_ends_stays_so(name: str) -> None:
    form, flat, result = run_both(kernel(OPEN[name], *GIVEN, out("y", N)), *GIVEN)
    assert form.rung == "blocks", form.reason
    assert "while" in str(form.mod)
    np.testing.assert_array_equal(result, flat)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.sampled_from([1, 3, 16, 1 << 20, 1 << 27]),
    st.sampled_from([0, 1, 2, 5, 1 << 31]),
    st.booleans(),
)
def test_what_wraps_is_left_alone(extent: int, factor: int, less: int, signed: bool) -> None:
    """(int)((unsigned)(factor*v) - less), or the same unsigned, is what it was for each v."""
    var = tirx.Var("v", "int32")
    mask = tir.const((1 << 32) - 1, "int64")
    whole = tirx.Cast("int64", tirx.Cast("uint32", var)) * tir.const(factor, "int64")
    bits = tirx.bitwise_and(whole - tir.const(less, "int64"), mask)
    half = tir.const(1 << 31, "int64")
    expr = tirx.bitwise_xor(bits, half) - half if signed else bits
    found = plain(expr, tir.analyzer_for({var: extent}))
    for value in range(extent):
        exact = (factor * value - less) % (1 << 32)
        exact -= (1 << 32) * (signed and exact >= 1 << 31)
        assert value_of(found, {var: value}) == exact
    ends = (-less, factor * (extent - 1) - less)
    low, high = (-(1 << 31), 1 << 31) if signed else (0, 1 << 32)
    if low <= ends[0] and ends[1] < high:
        assert not masks(found)


def masks(expr: Any) -> list[Any]:
    found: list[Any] = []
    tvm_ffi.structural_walk(expr, [(tirx.BitwiseAnd, found.append)], order="pre")
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(0, 9),
    st.integers(1, 12),
    st.sampled_from(["max", "min", "select"]),
)
def test_parts_of_a_test_say_what_it_says(limit: int, shift: int, extent: int, kind: str) -> None:
    i, core = tirx.Var("i", "int32"), tirx.Var("core", "int32")
    length, rest = tir.const(extent, "int32"), limit - core * extent
    tests = {
        "max": tirx.max(core * extent, tir.const(shift, "int32")) + i < limit,
        "min": i < tirx.min(length, rest),
        "select": i < tirx.Select(rest < length, rest, length),
    }
    analyzer = tir.analyzer_for({i: 20, core: 4})
    parts = parts_of(tests[kind], analyzer)
    assert len(parts) == 2
    for a in range(20):
        for b in range(4):
            at = {i: a, core: b}
            assert all(value_of(part, at) for part in parts) == bool(value_of(tests[kind], at))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-2, 6),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    st.integers(-4, 4),
    st.booleans(),
)
def test_a_test_that_one_side_of_a_choice_passes_is_the_choice(
    middle: int, sides: tuple[int, int], limit: int, moves: bool
) -> None:
    core, i = tirx.Var("core", "int32"), tirx.Var("i", "int32")
    then, other = (tir.const(side, "int32") for side in sides)
    choice = tirx.Select(core < middle, then, other + i if moves else other)
    test = tirx.LT(tir.const(limit, "int32"), choice)
    parts = parts_of(test, tir.analyzer_for({core: 4, i: 3}))
    for b in range(4):
        for a in range(3):
            at = {core: b, i: a}
            assert all(value_of(part, at) for part in parts) == bool(value_of(test, at))
    if sides[1] + 2 * moves <= limit < sides[0]:
        assert not any("Select" in str(part) for part in parts), [str(part) for part in parts]


@pytest.mark.parametrize("more", ["", "if (i == 40) n[0] = 50;"])
def test_data_ends_a_loop_within_an_array_on_the_chip(more: str) -> None:
    """As far as the array reaches, unless the loop moves its own end."""
    text = f"""int t = threadIdx.x; __shared__ float s[77]; __shared__ int n[1];
        if (t == 0) n[0] = 40 + (int)x[0]; __syncthreads();
        for (int i = t; i < n[0]; i += 32) {{ s[i] = 2 * x[i]; {more} }} __syncthreads();
        for (int i = t; i < 77; i += 32) y[i] = i < n[0] ? s[i] : 0;"""
    form, flat, result = run_both(kernel(text, *GIVEN, out("y", N), block=(32,)), *GIVEN)
    np.testing.assert_array_equal(result, flat)
    assert ("while" in str(form.mod)) == bool(more)
    assert more or form.rung == "blocks"
