"""Integer functions that TIR has an instruction for, of the dialects and of compilers.

The other ones of CUDA and HIP are read from the headers.
"""

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


def _trailing_zeros(dtype: str) -> Handler:
    """`__builtin_ctz`; a zero, of which it says nothing, has as many as it has bits."""

    def handler(call: Invocation) -> Value:
        word = _word(call, dtype)
        below = tirx.bitwise_and(tirx.bitwise_not(word), word - tir.const(1, dtype))
        all_bits = tir.const((1 << BITS[dtype]) - 1, dtype)
        none = tirx.EQ(word, tir.const(0, dtype))
        below = tirx.Select(none, all_bits, below)
        return Number(tirx.Cast("int32", tirx.popcount(below)), "int32")

    return handler


def _parity(dtype: str) -> Handler:
    def handler(call: Invocation) -> Value:
        bits = tirx.Cast("int32", tirx.popcount(_word(call, dtype)))
        return Number(tirx.bitwise_and(bits, tir.const(1, "int32")), "int32")

    return handler


def _expectation(call: Invocation) -> Value:
    """`__builtin_expect(value, usual)` is the value."""
    return call.number(0, "int64")


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
    "__popc": _population("uint32"),
    "__popcll": _population("uint64"),
    "__clz": _leading_zeros("uint32"),
    "__clzll": _leading_zeros("uint64"),
    "__ffs": _first_set("uint32"),
    "__ffsll": _first_set("uint64"),
}

_OF_WORDS = {
    "popcount": _population,
    "parity": _parity,
    "clz": _leading_zeros,
    "ctz": _trailing_zeros,
    "ffs": _first_set,
}


def _as(dtype: str, handler: Handler) -> Handler:
    """A function whose result is of another type than int."""

    def converted(call: Invocation) -> Value:
        number = handler(call)
        assert isinstance(number, Number)
        return call.math.convert(number, dtype)

    return converted


X86: dict[str, Handler] = {
    "_mm_popcnt_u32": _population("uint32"),
    "_mm_popcnt_u64": _as("int64", _population("uint64")),
    **{f"_lzcnt_u{n}": _as(f"uint{n}", _leading_zeros(f"uint{n}")) for n in (32, 64)},
    **{f"_tzcnt_u{n}": _as(f"uint{n}", _trailing_zeros(f"uint{n}")) for n in (32, 64)},
}
"""Rows of the tables of x86's intrinsics that TIR has an operator for."""

BUILTINS: dict[str, Handler] = {
    f"__builtin_{name}{suffix}": handler("uint64" if suffix else "uint32")
    for name, handler in _OF_WORDS.items()
    for suffix in ("", "l", "ll")
} | {"__builtin_expect": _expectation}
"""Functions of the compilers, which all dialects have."""
