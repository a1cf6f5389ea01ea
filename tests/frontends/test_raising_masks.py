"""Bits of masks: what the pass says of them holds for each value, and kernels lose their masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.masks import plain_tests
from xpiler_tvm.tir import Expr

from .evaluation import value_of
from .support import Given, kernel, out, random, run_both

N = 60
X = random(N)
GIVEN: tuple[Given, ...] = (("x", X),)
WORDS = {"uint16": 16, "uint32": 32, "int32": 32, "int64": 64}


def cast(dtype: str, expr: Expr) -> Expr:
    return expr if tir.dtype_of(expr) == dtype else tirx.Cast(dtype, expr)


@st.composite
def words(draw: st.DrawFn, dtype: str, var: Expr, extent: int, depth: int = 2) -> Expr:
    """A word of C's operators whose shifts are by less than its width."""
    bits = WORDS[dtype]
    kind = draw(st.sampled_from(["constant", "ones", "choice", "and", "or", "xor", "not", "moved"]))
    if depth == 0 or kind == "constant":
        low, high = sorted(draw(st.tuples(st.integers(0, bits - 1), st.integers(0, bits - 1))))
        return tir.const(((1 << high) - (1 << low)) % (1 << bits - 1), dtype)
    inner = words(dtype, var, extent, depth - 1)
    count = tirx.min(var + draw(st.integers(0, bits)), tir.const(bits - 1, "int32"))
    if kind == "ones":
        # The highest power of a signed type is its sign.
        most = tir.const(bits - (1 if dtype.startswith("u") else 2), "int32")
        count = tirx.min(count, most)
        return tirx.LShift(tir.const(1, dtype), cast(dtype, count)) - tir.const(1, dtype)
    if kind == "choice":
        test = tirx.LT(var, draw(st.integers(0, extent)))
        return tirx.Select(test, draw(inner), draw(inner))
    if kind == "not":
        return tirx.bitwise_not(draw(inner))
    if kind == "moved":
        shift = draw(st.sampled_from([tirx.LShift, tirx.RShift]))
        return shift(draw(inner), cast(dtype, count))
    make = {"and": tirx.bitwise_and, "or": tirx.bitwise_or, "xor": tirx.bitwise_xor}[kind]
    return make(draw(inner), draw(inner))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(WORDS)), st.integers(1, 9), st.booleans())
def test_a_read_bit_is_the_bit(data: st.DataObject, dtype: str, extent: int, left: bool) -> None:
    var, lane = tirx.Var("v", "int32"), tirx.Var("lane", "int32")
    word = data.draw(words(dtype, var, extent))
    one, zero = tir.const(1, dtype), tir.const(0, dtype)
    if left:
        bit = tirx.bitwise_and(word, tirx.LShift(one, cast(dtype, lane)))
    else:
        bit = tirx.bitwise_and(tirx.RShift(word, cast(dtype, lane)), one)
    test = tirx.NE(bit, zero)
    lanes = WORDS[dtype] - 1
    found = plain_tests(test, tir.analyzer_for({var: extent, lane: lanes}))
    for value in range(extent):
        for place in (0, 1, 7, 13, lanes - 1):
            at = {var: value, lane: place}
            assert value_of(found, at) == value_of(test, at), (str(word), str(found))


MASKED = {
    "a tail of ones": """
        unsigned m = 60 - i >= 16 ? 0xFFFFu : (1u << (60 - i)) - 1u;
        for (int l = 0; l < 16; l++) if ((m >> l & 1u) != 0) y[i + l] = 2 * x[i + l];""",
    "ones moved out": """
        int left = 60 - i < 16 ? 60 - i : 16;
        unsigned m = 0xFFFFu >> (16 - left);
        for (int l = 0; l < 16; l++) if (m & (1u << l)) y[i + l] = 2 * x[i + l];""",
    "what is not outside": """
        unsigned m = ~(~0u << (60 - i < 16 ? 60 - i : 16));
        for (int l = 0; l < 16; l++) if ((m >> l & 1u) == 1u) y[i + l] = 2 * x[i + l];""",
}


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_tail_is_one_axis(name: str) -> None:
    text = "for (int i = 0; i < 60; i += 16) {" + MASKED[name] + "}"
    form, flat, result = run_both(kernel(text, *GIVEN, out("y", N)), *GIVEN)
    assert form.rung == "blocks", form.reason
    assert f"for i in range({N})" in str(form.mod), str(form.mod)
    np.testing.assert_array_equal(flat, 2 * X)
    np.testing.assert_array_equal(result, 2 * X)
