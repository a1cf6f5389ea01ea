"""Integer functions that TIR has an instruction for; the others are read from the headers."""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..values import BITS, Number, Value
from .calling import Handler, Invocation
from .mathematics import simple


def _word(call: Invocation, dtype: str) -> Expr:
    return call.math._as(simple(call, call.number(0, dtype)).expr, dtype)


def _population(dtype: str) -> Handler:
    return lambda call: Number(tirx.Cast("int32", tirx.popcount(_word(call, dtype))), "int32")


def _leading_zeros(dtype: str) -> Handler:
    """`__clz` of zero is the number of bits."""

    def handler(call: Invocation) -> Value:
        return Number(_leading(_word(call, dtype), dtype), "int32")

    return handler


def _leading(word: Expr, dtype: str) -> Expr:
    bits = BITS[dtype]
    none = tirx.EQ(word, tir.const(0, dtype))
    one = tirx.Select(none, tir.const(1, dtype), word)
    return tirx.Select(none, tir.const(bits, "int32"), tirx.Cast("int32", tirx.clz(one)))


def _first_set(dtype: str) -> Handler:
    """`__ffs`: the place of the lowest bit, counted from 1; 0 of zero."""

    def handler(call: Invocation) -> Value:
        word, bits = _word(call, dtype), BITS[dtype]
        lowest = tirx.bitwise_and(word, tirx.bitwise_not(word) + tir.const(1, dtype))
        return Number(tir.const(bits, "int32") - _leading(lowest, dtype), "int32")

    return handler


def _product_of_24_bits(call: Invocation) -> Value:
    """The product of the lower 24 bits, as signed numbers."""
    factors = []
    for position in (0, 1):
        low = tirx.bitwise_and(
            call.math._as(call.number(position, "int32").expr, "int32"),
            tir.const(0xFFFFFF, "int32"),
        )
        sign = tir.const(1 << 23, "int32")
        factors.append(tirx.Cast("int64", tirx.bitwise_xor(low, sign) - sign))
    return call.math.convert(Number(factors[0] * factors[1], "int64"), "int32")


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("__mul24", "mul24"), _product_of_24_bits),
    **dict.fromkeys(("__popc", "__builtin_popcount"), _population("uint32")),
    **dict.fromkeys(("__popcll", "__builtin_popcountll"), _population("uint64")),
    **dict.fromkeys(("__clz", "__builtin_clz"), _leading_zeros("uint32")),
    **dict.fromkeys(("__clzll", "__builtin_clzll"), _leading_zeros("uint64")),
    **dict.fromkeys(("__ffs", "__builtin_ffs"), _first_set("uint32")),
    **dict.fromkeys(("__ffsll", "__builtin_ffsll"), _first_set("uint64")),
}
