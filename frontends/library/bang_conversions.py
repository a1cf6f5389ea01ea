"""BANG C's conversions of element types, from `dialects.bang_conversions`.

The result is worked out in a type that holds every step exactly and rounded once, by the mode.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang_conversions import CONVERSIONS, ROUNDINGS, Conversion

from ..values import BITS, Number
from .bang_calls import Intrinsic
from .meanings import evaluate

_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24}
_LEAST = {"float16": -14, "bfloat16": -126, "float32": -126}
_BEYOND = {"float16": 16, "bfloat16": 128, "float32": 128}
_BIAS, _FRACTION = 1023, 52  # of a double
_INWARDS = {"tz": (True, True), "dn": (True, False), "up": (False, True)}
"""Which modes never leave the range of floats at its upper and at its lower end."""


def _vector(row: Conversion, call: Intrinsic) -> None:
    call.expect(3, 3 + row.position)
    target, source = call.vector(0), call.vector(1)
    for vector, wanted, role in ((target, row.target, "target"), (source, row.source, "source")):
        if vector.dtype != wanted:
            call.refuse(f"the {role} holds {wanted}, not {vector.dtype}")
    n, position = call.count(2), 0
    if len(call.args) > 3:
        found = call.ev.math.known(call.number(3).expr)
        if found is None:
            call.refuse_unread("the position must be a constant")
        position = found
    call.require_apart(target, n, source, n, in_place=row.in_place)
    with call.loop("i", n) as i:
        call.write(target, i, converted(call, row, call.read(source, i), position))


def _scalar(row: Conversion, call: Intrinsic) -> Number:
    call.expect(1)
    value = call.ev.math.convert(call.number(0), row.source)
    return converted(call, row, value, 0)


def converted(call: Intrinsic, row: Conversion, value: Number, position: int) -> Number:
    """`value` as a number of the row's target."""
    math = call.ev.math
    if row.target.startswith("int"):
        return _integer(call, row, _scaled(call, value, -position), int(row.target[3:]))
    scaled = _scaled(call, value, position)
    if row.mode in ("", "rn"):  # the nearest even is what the processor gives
        return math.convert(scaled, row.target)
    return math.convert(_rounded(call, row, math.convert(scaled, "float64")), row.target)


def _scaled(call: Intrinsic, value: Number, exponent: int) -> Number:
    """`value * 2**exponent`, exactly."""
    if exponent == 0:
        return value
    math = call.ev.math
    return math.binary(
        "*", math.convert(value, "float64"), math.number(2.0**exponent, "float64"), call.span
    )


def _integer(call: Intrinsic, row: Conversion, value: Number, bits: int) -> Number:
    """Rounded and saturated; NaN becomes 0."""
    math, wide = call.ev.math, "int8" if bits == 4 else f"int{bits}"
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    names = {"x": value}
    if value.is_float:
        value = names["x"] = math.convert(value, _exact(row, value.dtype))
        rounded = evaluate(call.ev, ROUNDINGS[row.mode], names, call.span)
        text = f"x != x ? 0 : x >= {high + 1}.0 ? {high} : x <= {low}.0 ? {low} : whole"
        text = text.replace(".0", ".0f" if rounded.dtype == "float32" else ".0")
        names = {"x": rounded, "whole": math.convert(rounded, "int32")}
    else:
        text = f"x > {high} ? {high} : x < {low} ? {low} : x"
        if BITS[value.dtype] <= bits:
            text = "x"
    return math.convert(evaluate(call.ev, text, names, call.span), wide)


def _exact(row: Conversion, dtype: str) -> str:
    """The type in which the steps of the mode are exact: those that add a half take a double."""
    return "float64" if "0.5" in ROUNDINGS[row.mode] or dtype == "float64" else "float32"


def _rounded(call: Intrinsic, row: Conversion, value: Number) -> Number:
    """A double as a number of the target: rounded in units of its last place there.

    Beyond the target's range, rounding that does not go outwards ends at the largest number.
    """
    span, ev = call.span, call.ev
    precision, beyond = _PRECISION[row.target], _BEYOND[row.target]
    word = tirx.reinterpret("int64", value.expr)
    field = tirx.bitwise_and(
        tirx.shift_right(word, tir.const(_FRACTION, "int64")), tir.const(2 * _BIAS + 1, "int64")
    )
    exponent = tirx.max(field - _BIAS, tir.const(_LEAST[row.target], "int64"))
    unit = exponent - (precision - 1)
    rounded = evaluate(
        ev, ROUNDINGS[row.mode], {"x": Number(value.expr * _power(-unit), "float64")}, span
    )
    bound, most = 2.0**beyond, 2.0**beyond - 2.0 ** (beyond - precision)
    up, down = (most if inwards else bound for inwards in _INWARDS.get(row.mode, (False, False)))
    names = {
        "x": value,
        "near": Number(rounded.expr * _power(unit), "float64"),
        "bound": ev.math.number(bound, "float64"),
        "up": ev.math.number(up, "float64"),
        "down": ev.math.number(-down, "float64"),
    }
    text = (
        "x != x || x == INFINITY || x == -INFINITY || x == 0 ? x"
        " : x >= bound ? up : x <= -bound ? down : near"
    )
    return evaluate(ev, text, names, span)


def _power(exponent: tir.Expr) -> tir.Expr:
    """`2**exponent` as a double, put together of its bits."""
    return tirx.reinterpret(
        "float64", tirx.shift_left(exponent + _BIAS, tir.const(_FRACTION, "int64"))
    )


HANDLERS: dict[str, Callable[[Intrinsic], Number | None]] = {
    **{row.name: partial(_vector, row) for row in CONVERSIONS},
    **{
        row.name.replace("__bang_", "__"): partial(_scalar, row)
        for row in CONVERSIONS
        if "int4" not in (row.source, row.target)
    },
}
