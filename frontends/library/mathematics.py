"""Functions of C's mathematics, for every dialect: rows of `dialects.math`, and the rest of libm.

Where TIR has an intrinsic it is taken; else the function is written out, accurate to a few units
in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.math import BY_C_NAME, COMPOSED, MATH, Composed, MathFunction
from xpiler_tvm.tir import Expr

from ..partial_eval.bits import as_bits
from ..values import BITS, Nothing, Number, Value, common
from . import meanings
from .approximations import EXPANSIONS
from .calling import Handler, Invocation, extremum, local_copy, part

_INTRINSICS = {"asinh": 1, "acosh": 1, "nextafter": 2}
"""Functions of libm that are no rows of `dialects.math` and that TIR has: their operands."""

_CONSTANTS = {"M_SQRT1_2": math.sqrt(0.5), "M_SQRT2": math.sqrt(2.0)}
_SPELLED = {"fmod": "truncmod"}
"""What TIR computes a function with where its intrinsic has no code behind it."""


def single_of(name: str) -> str:
    return name + "f"


def _float_type(args: list[Number]) -> str:
    """The overload that C++ picks: float for floats alone, double for integers and doubles."""
    dtypes = [arg.dtype if arg.is_float else "float64" for arg in args]
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = common(result, dtype)
    return result


def in_type(call: Invocation, single: bool) -> tuple[list[Number], str]:
    """The arguments converted to the type in which the function is computed."""
    dtype = "float32" if single else _float_type(call.numbers)
    if BITS[dtype] == 16:  # half and bfloat16 have functions of their own; C's are float's
        dtype = "float32"
    return [call.math.convert(number, dtype) for number in call.numbers], dtype


def simple(call: Invocation, number: Number) -> Number:
    """`number` as something that may be read more than once at no cost."""
    if not tir.has_load(number.expr) or isinstance(number.expr, tir.Load):
        return number
    return local_copy(call.ev, number, "held", call.span)


def _row(row: MathFunction, single: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        if row.name in ("fmax", "fmin"):
            return extremum(call.math, row.name[1:], *in_type(call, single)[0])
        args, dtype = in_type(call, single)
        if row.name == "fma":
            return _fused(call, args, dtype)
        if row.name in EXPANSIONS:
            return EXPANSIONS[row.name](call, args[0])
        name = _SPELLED.get(row.name, row.tir)
        make: Any = tirx.abs if name == "fabs" else getattr(tirx, str(name))
        return Number(make(*(arg.expr for arg in args)), dtype)

    return handler


def _fused(call: Invocation, args: list[Number], dtype: str) -> Number:
    """`a * b + c`. In float it is rounded twice, as by a target without the instruction."""
    product = call.math.binary("*", args[0], args[1], call.span)
    return call.math.convert(call.math.binary("+", product, args[2], call.span), dtype)


def _intrinsic(name: str, single: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        args, dtype = in_type(call, single)
        return Number(getattr(tirx, name)(*(arg.expr for arg in args)), dtype)

    return handler


def _expansion(name: str, single: bool) -> Handler:
    return lambda call: EXPANSIONS[name](call, in_type(call, single)[0][0])


def _composed(row: Composed, single: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        _, dtype = in_type(call, single)
        values = {
            name: simple(call, call.math.convert(number, "float64"))
            for name, number in zip("abcd", call.numbers, strict=False)
        }
        for name, value in _CONSTANTS.items():
            values[name] = call.math.number(value, "float64")
        return call.math.convert(meanings.evaluate(call.ev, row.meaning, values, call.span), dtype)

    return handler


# ---------------------------------------------------------------- not of one real number each


def _absolute(call: Invocation) -> Value:
    number = call.number(0)
    if number.is_float:
        return Number(tirx.abs(number.expr), number.dtype)
    number = call.math.convert(number, common(number.dtype, "int32"))
    return extremum(call.math, "max", number, call.math.negative(number, call.span))


def _class(call: Invocation) -> Value:
    value = call.number(0)
    if not value.is_float or BITS[value.dtype] == 16:
        value = call.math.convert(value, "float64")
    return Number(getattr(tirx, call.name)(value.expr), "bool")


def sign_bit(number: Number) -> Expr:
    """Whether a floating-point number carries a minus, zero and NaN too."""
    word, bits = f"uint{BITS[number.dtype]}", BITS[number.dtype]
    top = tirx.shift_right(as_bits(number.expr, number.dtype), tir.const(bits - 1, word))
    return tirx.NE(top, tir.const(0, word))


def _sign_bit(call: Invocation) -> Value:
    return Number(sign_bit(in_type(call, False)[0][0]), "bool")


def _extremum(kind: str) -> Handler:
    return lambda call: extremum(call.math, kind, call.number(0), call.number(1))


def _difference(single: bool) -> Handler:
    """`fdim`: how far the first number is above the second one."""

    def handler(call: Invocation) -> Value:
        (a, b), dtype = in_type(call, single)
        a, b = simple(call, a), simple(call, b)
        apart = call.math.binary("-", a, b, call.span)
        return Number(tirx.Select(a.expr <= b.expr, tir.const(0.0, dtype), apart.expr), dtype)

    return handler


def _to_integer(rounding: str, single: bool) -> Handler:
    """`lround` and its kind."""

    def handler(call: Invocation) -> Value:
        (value,), dtype = in_type(call, single)
        whole = Number(getattr(tirx, rounding)(value.expr), dtype)
        call.math.assumptions.add(IN_RANGE)
        return call.math.convert(whole, "int64")

    return handler


IN_RANGE = "floating-point numbers that become integers are in the integers' range"


def _scaled(single: bool) -> Handler:
    """`ldexp` and `scalbn`."""

    def handler(call: Invocation) -> Value:
        dtype = "float32" if single else _float_type([call.number(0)])
        value = call.number(0, dtype)
        exponent = call.math._as(call.number(1, "int32").expr, "int32")
        return Number(tirx.ldexp(value.expr, exponent), dtype)

    return handler


def _parts(single: bool) -> Handler:
    """`modf`: the fraction; the whole part goes through the pointer."""

    def handler(call: Invocation) -> Value:
        dtype = "float32" if single else _float_type([call.number(0)])
        value = simple(call, call.number(0, dtype))
        whole = Number(tirx.trunc(value.expr), dtype)
        call.ev.store(call.address(1), whole, call.span)
        rest = tirx.Select(tirx.isinf(value.expr), tir.const(0.0, dtype), value.expr - whole.expr)
        return Number(tirx.copysign(rest, value.expr), dtype)

    return handler


def _sine_and_cosine(single: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        dtype = "float32" if single else _float_type([call.number(0)])
        value = simple(call, call.number(0, dtype))
        for position, make in ((1, tirx.sin), (2, tirx.cos)):
            call.ev.store(call.address(position), Number(make(value.expr), dtype), call.span)
        return Nothing()

    return handler


def _constant(value: float, dtype: str) -> Handler:
    return lambda call: call.math.number(value, dtype)


def _refused(why: str) -> Handler:
    def handler(call: Invocation) -> Value:
        raise call.refused(why)

    return handler


def _pairs() -> dict[str, Handler]:
    """Names in double and single precision."""
    made: dict[str, Callable[[bool], Handler]] = {
        "fdim": _difference,
        "modf": _parts,
        "ldexp": _scaled,
        "scalbn": _scaled,
        "sincos": _sine_and_cosine,
        "lround": lambda single: _to_integer("round", single),
        "llround": lambda single: _to_integer("round", single),
        "lrint": lambda single: _to_integer("nearbyint", single),
        "llrint": lambda single: _to_integer("nearbyint", single),
    }
    for row in MATH:
        made[row.name] = lambda single, row=row: _row(row, single)  # type: ignore[misc]
    for name in _INTRINSICS:
        made[name] = lambda single, name=name: _intrinsic(name, single)  # type: ignore[misc]
    for name in EXPANSIONS:
        made.setdefault(name, lambda single, name=name: _expansion(name, single))  # type: ignore[misc]
    for composed in COMPOSED:
        made[composed.name] = lambda single, row=composed: _composed(row, single)  # type: ignore[misc]
    for name in _WITHOUT:
        made[name] = lambda single: _refused(_NO_FORM)
    found = {name: make(False) for name, make in made.items()}
    found |= {single_of(name): make(True) for name, make in made.items()}
    found |= {f"__builtin_{name}": handler for name, handler in found.items()}
    return found


_WITHOUT = (
    "frexp",
    "logb",
    "ilogb",
    "remainder",
    "remquo",
    "j0",
    "j1",
    "y0",
    "y1",
    "erfinv",
    "erfcinv",
    "normcdfinv",
)
_NO_FORM = "has no form in terms of functions that every target has"

HANDLERS: dict[str, Handler] = {
    **_pairs(),
    **{fast: _row(row, True) for row in MATH for fast in row.fast},
    "__sincosf": _sine_and_cosine(True),
    **dict.fromkeys(("abs", "labs", "llabs"), _absolute),
    **dict.fromkeys(("isnan", "isinf", "isfinite"), _class),
    "signbit": _sign_bit,
    "max": _extremum("max"),
    "min": _extremum("min"),
    **{f"__builtin_{name}f": _constant(float("inf"), "float32") for name in ("inf", "huge_val")},
    **{f"__builtin_{name}": _constant(float("inf"), "float64") for name in ("inf", "huge_val")},
    "__builtin_nanf": _constant(float("nan"), "float32"),
    "__builtin_nan": _constant(float("nan"), "float64"),
    **{f"xp_{name}": _refused(_NO_FORM) for name in ("erfinv", "erfcinv")},
}
assert BY_C_NAME.keys() <= HANDLERS.keys()

call = part(HANDLERS)
