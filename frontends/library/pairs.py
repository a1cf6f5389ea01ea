"""Numbers of sixteen bits and pairs of them: putting together, taking apart, operators."""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.sixteen import TYPES

from .. import ir
from ..partial_eval.bits import as_number
from ..values import Number, Record, Value
from .calling import Handler, Invocation
from .mathematics import simple
from .sixteen import DTYPES, component, is_nan, meaning, pair, pair_dtype


def _named(single: str, double: str) -> dict[str, Handler]:
    """Functions with the type's name in theirs."""
    dtype = DTYPES[single]

    def as_pair(call: Invocation) -> Value:
        x, *rest = (call.number(position, dtype) for position in range(len(call.args)))
        return pair(dtype, x, rest[0] if rest else x)

    def from_float2(call: Invocation) -> Value:
        x, y = (call.math.convert(component(call.args[0], name), dtype) for name in "xy")
        return pair(dtype, x, y)

    def to_float2(call: Invocation) -> Value:
        kind = ir.Struct(
            "float2", (("x", ir.Arithmetic("float32")), ("y", ir.Arithmetic("float32")))
        )
        x, y = (call.math.convert(component(call.args[0], name), "float32") for name in "xy")
        return Record(kind, {"x": x, "y": y})

    def parts(first: str, second: str) -> Handler:
        return lambda call: pair(
            dtype, component(call.args[0], first), component(call.args[-1], second)
        )

    found: dict[str, Handler] = dict.fromkeys(
        (
            f"make_{double}",
            f"__float2{double}_rn",
            f"__floats2{double}_rn",
            f"__{single}2{double}",
            f"__halves2{double}",
        ),
        as_pair,
    )
    found |= {
        f"__float22{double}_rn": from_float2,
        f"__{double}2float2": to_float2,
        f"__low2{single}": lambda call: component(call.args[0], "x"),
        f"__high2{single}": lambda call: component(call.args[0], "y"),
        f"__low2{double}": parts("x", "x"),
        f"__high2{double}": parts("y", "y"),
        f"__lows2{double}": parts("x", "x"),
        f"__highs2{double}": parts("y", "y"),
    }
    for sign in ("", "u"):
        found[f"__{sign}short_as_{single}"] = lambda call, sign=sign: _seen(  # type: ignore[misc]
            call.number(0, f"{sign}int16"), dtype
        )
        found[f"__{single}_as_{sign}short"] = lambda call, sign=sign: _seen(  # type: ignore[misc]
            call.number(0, dtype), f"{sign}int16"
        )
    return found


def _seen(value: Number, dtype: str) -> Number:
    """The bits of a number as another type of its size."""
    return Number(as_number(value.expr, value.dtype, dtype), dtype)


def _to_float(name: str) -> Handler:
    return lambda call: call.math.convert(component(call.args[0], name), "float32")


def _swapped(call: Invocation) -> Value:
    dtype = pair_dtype(call)
    assert dtype is not None
    return pair(dtype, component(call.args[0], "y"), component(call.args[0], "x"))


def _complex(call: Invocation) -> Value:
    """`__hcmadd`: a * b + c of complex numbers, every step rounded."""
    dtype = pair_dtype(call)
    assert dtype is not None
    (ax, ay), (bx, by), (cx, cy) = ((component(arg, "x"), component(arg, "y")) for arg in call.args)
    fused = "xp_fused(a, b, c)"
    x = simple(call, meaning(call, fused, [ax, bx, cx], dtype))
    y = simple(call, meaning(call, fused, [ax, by, cy], dtype))
    minus = call.math.negative(ay, call.span)
    return pair(
        dtype, meaning(call, fused, [minus, by, x], dtype), meaning(call, fused, [ay, bx, y], dtype)
    )


def _is_nan(call: Invocation) -> Value:
    return Number(is_nan(call.math, call.number(0)), "bool")


def _is_infinite(call: Invocation) -> Value:
    """1 or -1 for the infinities, else 0."""
    value = call.number(0, "float32").expr
    one = [tirx.EQ(value, tir.const(bound, "float32")) for bound in (float("inf"), float("-inf"))]
    above, below = (tirx.Cast("int32", test) for test in one)
    return Number(above - below, "int32")


# ---------------------------------------------------------------- operators of pairs


def operator(call: Invocation) -> Value | None:
    """`a + b`, `a == b`, `-a` of pairs; `None` where no operand is one."""
    dtype = pair_dtype(call)
    if dtype is None:
        return None
    op = call.name.removeprefix("operator")
    if len(call.args) == 1:
        if op == "+":
            return call.args[0]
        x, y = (call.math.negative(component(call.args[0], name), call.span) for name in "xy")
        return pair(dtype, x, y)
    left, right = call.args
    parts = [
        call.math.binary(op, component(left, name), component(right, name), call.span)
        for name in "xy"
    ]
    if op in _COMPARED:
        return Number(tirx.And(parts[0].expr, parts[1].expr), "bool")
    x, y = (call.math.convert(part, dtype) for part in parts)
    return pair(dtype, x, y)


_COMPARED = ("==", "!=", "<", "<=", ">", ">=")
OPERATORS = (
    *(f"operator{sign}" for sign in "+-*/"),
    *(f"operator{sign}" for sign in _COMPARED),
)

HANDLERS: dict[str, Handler] = {
    **{
        name: one
        for single, double in TYPES.items()
        for name, one in _named(single, double).items()
    },
    "__low2float": _to_float("x"),
    "__high2float": _to_float("y"),
    "__lowhigh2highlow": _swapped,
    "__hcmadd": _complex,
    "__hisnan": _is_nan,
    "__hisinf": _is_infinite,
}
