"""Comparisons of integers: equal at every point of small extents."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.comparisons import undivided
from xpiler_tvm.frontends.raising.tensors import divisions

from .evaluation import value_of

A, B = (tirx.Var(name, "int32") for name in "ab")
EXTENTS = {A: 7, B: 20}


@settings(max_examples=80, deadline=None)
@given(
    st.integers(2, 9),
    st.sampled_from([1, -1, 2]),
    st.integers(-40, 40),
    st.integers(-20, 20),
    st.tuples(st.sampled_from([tirx.LT, tirx.LE]), st.booleans()),
)
def test_tests_are_multiplied_out(
    divisor: int, sign: int, offset: int, limit: int, form: tuple[type, bool]
) -> None:
    kind, swapped = form
    quotient = tirx.floordiv(A * 3 + B + offset, divisor) * sign
    sides = (quotient + A * 2, B - limit)
    test = kind(*(sides[::-1] if swapped else sides))
    found = undivided(test, tir.analyzer_for(EXTENTS))
    for values in product(*map(range, EXTENTS.values())):
        at = dict(zip(EXTENTS, values, strict=True))
        assert value_of(found, at) == value_of(test, at)
    assert divisions(found) == (abs(sign) != 1)


def test_what_might_overflow_stays() -> None:
    analyzer = tir.analyzer_for({A: 1 << 28, B: 1 << 20})
    test = A + tirx.floordiv(B, 16) < 5
    assert tir.same(undivided(test, analyzer), test)
    assert divisions(undivided(test, tir.analyzer_for({A: 1 << 20, B: 1 << 20}))) == 0
