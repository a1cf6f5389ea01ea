"""C's integer arithmetic, held against a model of C in Python's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tvm import sym, tirx

from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.frontends.arithmetic import Arithmetic
from xpiler_tvm.frontends.values import BITS, Number, common, promoted, range_of
from xpiler_tvm.tir import const

from .evaluation import Overflow, truncated, value_of, wrap

NOWHERE = Span("kernel.cu", 1, 1)
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
WIDE = ("int32", "uint32", "int64", "uint64")
OPERATORS = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=")


def range_here(dtype: str) -> tuple[int, int]:
    """TVM's analyzer takes what is beyond 2^62 for infinite, and negates its constants."""
    low, high = range_of(dtype)
    return max(low, -(2**62) + 1) + (dtype == "int32"), min(high, 2**62 - 1)


def numbers(dtype: str) -> st.SearchStrategy[int]:
    low, high = range_here(dtype)
    small = st.integers(max(low, -40), min(high, 40))
    edges = st.sampled_from([low, min(low + 1, high), high - 1, high])
    return st.one_of(small, edges, st.integers(low, high))


typed = st.sampled_from(INTEGERS).flatmap(lambda dtype: st.tuples(st.just(dtype), numbers(dtype)))


def c_value(op: str, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int] | None:
    """Type and value of `left op right` in C; `None` where C leaves it undefined."""
    if op in ("<<", ">>"):
        dtype = promoted(left[0])
        if not 0 <= right[1] < BITS[dtype]:
            return None
        if op == ">>":
            return dtype, left[1] >> right[1]
        return dtype, wrap(left[1] << right[1], dtype)
    dtype = common(left[0], right[0])
    a, b = wrap(left[1], dtype), wrap(right[1], dtype)
    if op in ("<", "<=", ">", ">=", "==", "!="):
        tests = (a < b, a <= b, a > b, a >= b, a == b, a != b)
        return "bool", int(tests[("<", "<=", ">", ">=", "==", "!=").index(op)])
    if op in ("/", "%"):
        if b == 0:
            return None
        result = truncated(a, b) if op == "/" else a - truncated(a, b) * b
    else:
        table = {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b}
        result = table[op]
    low, high = range_of(dtype)
    if not low <= result <= high and not dtype.startswith("u"):
        return None
    return dtype, wrap(result, dtype)


def arithmetic(ranges: dict[Any, tuple[int, int]] | None = None) -> Arithmetic:
    analyzer = sym.Analyzer()
    for var, (low, high) in (ranges or {}).items():
        analyzer.update(var, sym.ConstIntBound(low, high), True)
    return Arithmetic(analyzer)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(OPERATORS), typed, typed)
@example("/", ("int32", -7), ("int32", 2))
@example("%", ("int32", -7), ("int32", 2))
@example(">>", ("int32", -7), ("int32", 1))
@example(">>", ("int64", 1), ("int32", 31))
@example("<<", ("int32", 1), ("int32", 31))
@example("-", ("uint8", 0), ("uint8", 1))
@example("<", ("int32", -1), ("uint32", 1))
def test_constants(op: str, left: tuple[str, int], right: tuple[str, int]) -> None:
    wanted = c_value(op, left, right)
    assume(wanted is not None)
    math = arithmetic()
    operands = [math.number(value, dtype) for dtype, value in (left, right)]
    found = math.binary(op, *operands, NOWHERE)
    assert wanted is not None
    assert found.dtype == wanted[0]
    assert value_of(found.expr) == wanted[1]


@st.composite
def operand(draw: st.DrawFn, dtypes: tuple[str, ...] = WIDE) -> tuple[str, int, int, int]:
    """A type, a value of it, and a range around the value."""
    dtype = draw(st.sampled_from(dtypes))
    value = draw(numbers(dtype))
    low, high = range_here(dtype)
    reach = draw(st.sampled_from([0, 1, 7, 255, 1 << 16, 1 << 31, 1 << 64]))
    above = draw(st.sampled_from([0, 1, 7, 255, 1 << 16, 1 << 31, 1 << 64]))
    return dtype, value, max(low, value - reach), min(high, value + above)


Operand = tuple[str, int, int, int]


def variables(*operands: Operand) -> tuple[Arithmetic, list[Number], dict[Any, int]]:
    """A variable for each operand, with its range known."""
    at, ranges, found = {}, {}, []
    for position, (dtype, value, low, high) in enumerate(operands):
        var = tirx.Var("ab"[position], dtype)
        at[var] = value
        ranges[var] = (low, high)
        found.append(Number(var, dtype))
    return arithmetic(ranges), found, at


def holds(found: Number, wanted: tuple[str, int] | None, at: dict[Any, int]) -> None:
    assume(wanted is not None)
    assert wanted is not None
    assert found.dtype == wanted[0]
    assert value_of(found.expr, at) == wanted[1]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(OPERATORS), operand(), operand())
@example("+", ("uint32", 2**32 - 1, 0, 2**32 - 1), ("uint32", 5, 0, 5))
@example("*", ("uint32", 2**32 - 1, 0, 2**32 - 1), ("uint32", 2**32 - 1, 0, 2**32 - 1))
@example("-", ("uint32", 0, 0, 9), ("uint32", 1, 0, 9))
@example("/", ("int32", -7, -100, 100), ("int32", 2, 1, 9))
@example("%", ("int32", -7, -100, 100), ("int32", 2, 2, 2))
@example("^", ("int32", 5, 0, 7), ("int32", 4, 4, 4))
@example("<", ("int32", -1, -1, 5), ("uint32", 1, 0, 9))
def test_variables(op: str, left: Operand, right: Operand) -> None:
    if common(left[0], right[0]) == "uint64" and op in ("+", "-", "*", "<<"):
        assume(False)  # wraps as the processor does, see test_64_bits_wrap
    math, operands, at = variables(left, right)
    found = math.binary(op, *operands, NOWHERE)
    holds(found, c_value(op, left[:2], right[:2]), at)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OPERATORS), operand(), typed)
@example("<<", ("uint32", 2**32 - 1, 0, 2**32 - 1), ("int32", 3))
@example(">>", ("int32", -7, -100, 100), ("int32", 1))
@example("&", ("int32", -7, -100, 100), ("int32", 7))
@example("^", ("int32", -7, -100, 100), ("int32", 8))
@example("^", ("int32", 2**31 - 1, 0, 2**31 - 1), ("int32", 1))
@example("/", ("int32", -7, -100, 100), ("int32", 4))
@example("%", ("int32", -7, -100, 100), ("int32", -4))
def test_a_variable_and_a_constant(op: str, left: Operand, right: tuple[str, int]) -> None:
    if common(left[0], right[0]) == "uint64" and op in ("+", "-", "*", "<<"):
        assume(False)
    wanted = c_value(op, left[:2], right)
    math, (a,), at = variables(left)
    assume(wanted is not None)
    if op == "<<" and not left[0].startswith("u"):
        low, high = range_of(wanted[0] if wanted else "int32")
        assume(low <= left[1] << right[1] <= high)  # undefined for a signed number
    found = math.binary(op, a, math.number(right[1], right[0]), NOWHERE)
    holds(found, wanted, at)


@settings(max_examples=300, deadline=None)
@given(operand(INTEGERS[1:]), st.sampled_from(INTEGERS))
@example(("int32", 300, -1000, 1000), "int8")
@example(("int32", -1, -1, 1000), "uint32")
@example(("uint32", 2**31, 0, 2**32 - 1), "int32")
@example(("int64", 2**32 + 5, 0, 2**40), "uint32")
def test_casts(source: Operand, dtype: str) -> None:
    math, (a,), at = variables(source)
    found = math.convert(a, dtype)
    assert found.dtype == dtype
    wanted = int(source[1] != 0) if dtype == "bool" else wrap(source[1], dtype)
    assert value_of(found.expr, at) == wanted
    constant = arithmetic().number(source[1], dtype if dtype != "bool" else "int32")
    if dtype != "bool":
        assert value_of(constant.expr) == wanted


@settings(max_examples=150, deadline=None)
@given(operand(), operand(), st.integers(0, 9))
def test_a_choice_has_the_common_type(left: Operand, right: Operand, limit: int) -> None:
    math, (a, b), at = variables(left, right)
    condition = tirx.GE(a.expr, const(limit, left[0]))
    found = math.select(condition, a, b)
    dtype = common(left[0], right[0]) if left[0] != right[0] else left[0]
    chosen = left if value_of(condition, at) else right
    holds(found, (dtype, wrap(chosen[1], dtype)), at)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from("+-*"), numbers("uint64"), numbers("uint64"))
def test_64_bits_wrap(op: str, left: int, right: int) -> None:
    """Constants are folded with C's wraparound; there is no wider type for variables."""
    math = arithmetic()
    found = math.binary(op, math.number(left, "uint64"), math.number(right, "uint64"), NOWHERE)
    wanted = c_value(op, ("uint64", left), ("uint64", right))
    assert wanted is not None
    assert value_of(found.expr) == wanted[1]


@pytest.mark.parametrize("op", ["/", "%"])
@pytest.mark.parametrize("dtype", ["int32", "uint64"])
def test_division_by_zero_is_refused(op: str, dtype: str) -> None:
    place = Span("kernel.cu", 3, 7)
    math, (a,), _ = variables(("int32", 1, 0, 9))
    with pytest.raises(LiftError) as refusal:
        math.binary(op, a, math.number(0, dtype), place)
    assert (refusal.value.code, refusal.value.span) == ("XP2004", place)


def test_floats_have_no_remainder() -> None:
    math = arithmetic()
    with pytest.raises(ReadError) as refusal:
        math.binary("%", math.number(1.0, "float32"), math.number(2, "int32"), NOWHERE)
    assert refusal.value.code == "XP1002"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from("+-*/"),
    st.floats(width=32, allow_nan=False),
    st.floats(width=32, allow_nan=False),
)
def test_float_constants_round_as_float32(op: str, left: float, right: float) -> None:
    math = arithmetic()
    found = math.binary(op, math.number(left, "float32"), math.number(right, "float32"), NOWHERE)
    a, b = np.float32(left), np.float32(right)
    with np.errstate(all="ignore"):
        wanted = {"+": a + b, "-": a - b, "*": a * b, "/": np.divide(a, b)}[op]
    assert found.dtype == "float32"
    np.testing.assert_equal(np.float32(found.expr.value), wanted)


def test_the_second_opinion_knows_overflow() -> None:
    a = tirx.Var("a", "uint32")
    with pytest.raises(Overflow):
        value_of(a + const(1, "uint32"), {a: 2**32 - 1})


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("int8", "uint16", "int32"),
        ("int32", "uint32", "uint32"),
        ("int64", "uint32", "int64"),
        ("int64", "uint64", "uint64"),
        ("bool", "bool", "int32"),
        ("float16", "int64", "float16"),
        ("float32", "float64", "float64"),
    ],
)
def test_usual_arithmetic_conversions(left: str, right: str, wanted: str) -> None:
    assert common(left, right) == common(right, left) == wanted
