"""Dot products of the bytes of words: `__dp4a` of CUDA and HIP, `sdot4` and `udot4` of AMD.

    __dp4a(a, b, c)   ->   c + a.byte0 * b.byte0 + ... + a.byte3 * b.byte3

Kernels move words that are four bytes to them. Where a word lies in memory its bytes are read
there, so that this memory is one of bytes, and so is what it was copied from.
"""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .. import ir
from ..partial_eval.state import Demote, VariablePlace
from ..values import Lanes, Number, Record, Value
from .calling import Handler, Invocation, leaves

COUNT = 4
"""Bytes of a word."""

_PLACES = (ir.Name, ir.Subscript, ir.Member)


def _is_place(arg: ir.Expr) -> bool:
    return isinstance(arg, _PLACES) or (isinstance(arg, ir.Unary) and arg.op == "*")


def bytes_of(call: Invocation, position: int, dtype: str) -> list[Expr]:
    """The four bytes of an argument, as int32."""
    ev, arg, kind = call.ev, call.expr.args[position], ir.Arithmetic(dtype)
    # What an argument does beside giving a value, `*p++`, it does once.
    place = ev.place(arg) if _is_place(arg) else None
    value = ev.value(arg) if place is None else ev.load(place, call.span)
    if isinstance(value, Lanes | Record):
        return [_wide(each, dtype) for each in leaves(ev, value, call.span)]
    if not isinstance(value, Number):
        raise call.refused("has no reading for these arguments")
    if len(value.parts) == COUNT:
        return [_wide(Number(part, tir.dtype_of(part)), dtype) for part in value.parts]
    if place is not None and tir.as_const(value.expr) is None:
        if isinstance(place, VariablePlace):
            raise Demote(place.ident)
        first = ev.seen_as(place, kind, call.span)
        loaded = [ev.load(ev.moved(first, at, kind), call.span) for at in range(COUNT)]
        return [_wide(each, dtype) for each in loaded if isinstance(each, Number)]
    return [_wide(Number(part, dtype), dtype) for part in ev._parts(value, dtype, call.span)]


def _wide(number: Number, dtype: str) -> Expr:
    """A byte in 32 bits; its bits are those of a number of type `dtype`."""
    expr = number.expr
    if number.dtype != dtype:
        expr = tir.reinterpreted(expr, dtype)
    return tirx.Cast("int32", expr)


def dot(call: Invocation, start: Number, dtype: str) -> Number:
    """`start` and the products of the bytes of the first two arguments, in the type of `start`."""
    left, right = (bytes_of(call, position, dtype) for position in (0, 1))
    total = left[0] * right[0]
    for one, other in zip(left[1:], right[1:], strict=True):
        total = total + one * other
    products = call.math.convert(Number(total, "int32"), start.dtype)
    return call.math.binary("+", start, products, call.span)


def _dp4a(call: Invocation) -> Value | None:
    """`__dp4a` of signed or unsigned words, by the type of what it adds to."""
    start = call.ev.value(call.expr.args[2])
    if not isinstance(start, Number):
        return None
    return dot(call, start, "uint8" if start.dtype == "uint32" else "int8")


HANDLERS: dict[str, Handler] = {"__dp4a": _dp4a}
