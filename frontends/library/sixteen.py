"""half and bfloat16, and pairs of them: every row of `dialects.sixteen`.

A row's meaning is worked out in the operands' own type, in which a sum, product or quotient is
rounded as often as by way of float, and in float inside the functions that it names.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.sixteen import (
    COMPARISONS,
    CONVERSIONS,
    SIXTEEN,
    TYPES,
    Comparison,
    Conversion,
    Sixteen,
)
from xpiler_tvm.tir import Expr

from .. import ir
from ..arithmetic import Arithmetic
from ..values import BITS, Number, Record, Value, range_of
from . import meanings
from .calling import Handler, Invocation, extremum, local_copy
from .mathematics import IN_RANGE, simple

DTYPES = {"half": "float16", "bfloat16": "bfloat16"}
_C_TYPES = {
    **DTYPES,
    "float": "float32",
    "double": "float64",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
}
PAIRS = {
    dtype: ir.Struct(TYPES[single], (("x", ir.Arithmetic(dtype)), ("y", ir.Arithmetic(dtype))))
    for single, dtype in DTYPES.items()
}
"""The pairs' classes by the type of their components."""


def is_sixteen(value: Value) -> bool:
    return isinstance(value, Number) and value.is_float and BITS[value.dtype] == 16


def pair_of(value: Value) -> str | None:
    """The type of a pair's components; `None` for another value."""
    if not isinstance(value, Record):
        return None
    return next((d for d, kind in PAIRS.items() if kind.name == value.kind.name), None)


def pair(dtype: str, x: Number, y: Number) -> Record:
    return Record(PAIRS[dtype], {"x": x, "y": y})


def component(value: Value, name: str) -> Number:
    assert isinstance(value, Record)
    number = value.fields[name]
    assert isinstance(number, Number)
    return number


def _dtype_of(call: Invocation) -> str | None:
    """The sixteen-bit type that the arguments are numbers of; of a constant it is not known."""
    found = [value.dtype for value in call.args if is_sixteen(value)]  # type: ignore[union-attr]
    return found[0] if found else None


def pair_dtype(call: Invocation) -> str | None:
    found = [dtype for dtype in map(pair_of, call.args) if dtype is not None]
    return found[0] if found else None


def meaning(call: Invocation, text: str, operands: list[Number], dtype: str) -> Number:
    """What a row says of operands of type `dtype`, rounded once to that type."""
    given = [simple(call, call.math.convert(number, dtype)) for number in operands]
    values = dict(zip("abc", given, strict=False))
    return call.math.convert(meanings.evaluate(call.ev, text, values, call.span), dtype)


def _single(row: Sixteen) -> Handler:
    def handler(call: Invocation) -> Value | None:
        dtype = _dtype_of(call)
        if dtype is None:
            return None  # `__hadd` is a function of integers, too
        return meaning(call, row.meaning, call.numbers, dtype)

    return handler


def _pair(row: Sixteen) -> Handler:
    def handler(call: Invocation) -> Value | None:
        dtype = pair_dtype(call)
        if dtype is None:
            return None
        x, y = (
            meaning(call, row.meaning, [component(arg, name) for arg in call.args], dtype)
            for name in "xy"
        )
        return pair(dtype, x, y)

    return handler


# ---------------------------------------------------------------- what meanings are written in


def _fused(call: Invocation) -> Value:
    """`a * b + c`, rounded once: to a double whose last bit is odd where it is not exact.

    A half's sum is rounded no other by way of the nearest double: a sum that has no room there is
    next to `c`, or beyond the largest half.
    """
    a, b, c = (call.number(position, "float64").expr for position in range(3))
    if _dtype_of(call) != "bfloat16":
        return Number(a * b + c, "float64")

    def held(value: Expr, name: str) -> Expr:
        return local_copy(call.ev, Number(value, "float64"), name, call.span).expr

    product, addend = held(a * b, "product"), held(c, "addend")
    total = held(product + addend, "total")
    other = held(total - product, "part")
    rest = held((product - (total - other)) + (addend - other), "rest")
    zero = tir.const(0.0, "float64")
    bits = tirx.reinterpret("int64", total)
    even = tirx.EQ(tirx.bitwise_and(bits, tir.const(1, "int64")), tir.const(0, "int64"))
    finite = tirx.isfinite(total)
    inexact = tirx.And(tirx.NE(rest, zero), finite)
    up = tirx.Select(total > zero, rest > zero, rest < zero)
    step = tirx.Select(up, tir.const(1, "int64"), tir.const(-1, "int64"))
    odd = tirx.reinterpret("float64", bits + step)
    return Number(tirx.Select(tirx.And(inexact, even), odd, total), "float64")


def _clamped(call: Invocation) -> Value:
    """`xp_saturate`: to [0, 1], NaN to 0."""
    value = simple(call, call.number(0))
    zero, one = (tir.const(bound, value.dtype) for bound in (0.0, 1.0))
    below = tirx.Select(value.expr < one, value.expr, one)
    return Number(tirx.Select(value.expr > zero, below, zero), value.dtype)


def _relu(call: Invocation) -> Value:
    value = simple(call, call.number(0))
    zero = tir.const(0.0, value.dtype)
    return Number(tirx.Select(value.expr <= zero, zero, value.expr), value.dtype)


def _larger(call: Invocation) -> Value:
    """The greater of two numbers; NaN is nobody's maximum."""
    a, b = (simple(call, number) for number in call.numbers)
    return extremum(call.math, "max", a, call.math.convert(b, a.dtype))


def _unordered(call: Invocation) -> Value:
    return Number(_apart(call.math, *call.numbers), "bool")


def _apart(math: Arithmetic, left: Number, right: Number) -> Expr:
    """Whether one of two numbers is NaN."""
    return tirx.Or(is_nan(math, left), is_nan(math, right))


def is_nan(math: Arithmetic, number: Number) -> Expr:
    return tirx.isnan(math.convert(number, "float32").expr)


# ---------------------------------------------------------------- comparisons


def _holds(call: Invocation, row: Comparison, left: Number, right: Number) -> Expr:
    left, right = (simple(call, number) for number in (left, right))
    a, b = left.expr, right.expr
    test = {
        "==": tirx.EQ,
        "!=": tirx.NE,
        "<": tirx.LT,
        "<=": tirx.LE,
        ">": tirx.GT,
        ">=": tirx.GE,
    }[row.operator](a, b)
    apart = _apart(call.math, left, right)
    # HIP's ordered `ne` is that of C. TVM's comparisons are all false of NaN.
    holds = row.unordered or (row.relation == "ne" and call.ev.source.dialect == "hip")
    return tirx.Or(apart, test) if holds else test


def _comparison(row: Comparison) -> dict[str, Handler]:
    def single(call: Invocation) -> Value | None:
        if _dtype_of(call) is None:
            return None
        return Number(_holds(call, row, call.number(0), call.number(1)), "bool")

    def both(call: Invocation) -> tuple[str, list[Expr]]:
        dtype = pair_dtype(call)
        if dtype is None:
            raise call.refused("has no reading for these arguments")
        left, right = call.args
        return dtype, [
            _holds(call, row, component(left, name), component(right, name)) for name in "xy"
        ]

    def each(call: Invocation) -> Value:
        dtype, tests = both(call)
        x, y = (Number(tirx.Cast(dtype, test), dtype) for test in tests)
        return pair(dtype, x, y)

    def every(call: Invocation) -> Value:
        return Number(tirx.And(*both(call)[1]), "bool")

    def mask(call: Invocation) -> Value:
        low, high = (
            tirx.Select(test, tir.const(ones, "uint32"), tir.const(0, "uint32"))
            for test, ones in zip(both(call)[1], (0xFFFF, 0xFFFF0000), strict=True)
        )
        return Number(tirx.bitwise_or(low, high), "uint32")

    stem = row.stem
    return {
        f"__h{stem}": single,
        f"__h{stem}2": each,
        f"__hb{stem}2": every,
        f"__h{stem}2_mask": mask,
    }


# ---------------------------------------------------------------- conversions


def _conversion(row: Conversion) -> Handler:
    source, target = _C_TYPES[row.source], _C_TYPES[row.target]

    def handler(call: Invocation) -> Value:
        value = call.number(0, source)
        if "float" in target:
            if row.rounding == "rn" or _exact(call, value, target):
                return call.math.convert(value, target)
            raise call.refused("rounds in a direction of its own, which no other target does")
        whole = _ROUNDED[row.rounding](call.math.convert(value, "float32").expr)
        if BITS[target] < 32:
            low, high = (tir.const(float(bound), "float32") for bound in range_of(target))
            whole = tirx.max(tirx.min(whole, high), low)
        call.math.assumptions.add(IN_RANGE)
        return call.math.convert(Number(whole, "float32"), target)

    return handler


_ROUNDED: dict[str, Callable[[Expr], Expr]] = {
    "rn": tirx.nearbyint,
    "rz": tirx.trunc,
    "ru": tirx.ceil,
    "rd": tirx.floor,
}


def _exact(call: Invocation, value: Number, target: str) -> bool:
    """Whether an integer is small enough for every value to be a sixteen-bit number."""
    if value.is_float:
        return False
    low, high = call.math.bounds(value.expr)
    most = 1 << (11 if target == "float16" else 8)
    return -most <= low and high <= most


HANDLERS: dict[str, Handler] = {
    **{row.name: _single(row) for row in SIXTEEN if row.name},
    **{row.pair: _pair(row) for row in SIXTEEN if row.pair},
    **{name: handler for row in COMPARISONS for name, handler in _comparison(row).items()},
    **{row.name: _conversion(row) for row in CONVERSIONS},
    "xp_fused": _fused,
    "xp_saturate": _clamped,
    "xp_relu": _relu,
    "xp_larger": _larger,
    "xp_unordered": _unordered,
    "xp_exp10": lambda call: call.math.convert(
        Number(tirx.pow(tir.const(10.0, "float64"), call.number(0, "float64").expr), "float64"),
        "float32",
    ),
}
