"""Numbers put together of narrower elements of memory, and taken out of wider ones.

Memory is little-endian, as on all platforms. TVM takes unsigned sums and products not to wrap;
shifts and masks of words that hold no more than the bits in question are safe.
"""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..values import BITS


def as_bits(expr: Expr, dtype: str) -> Expr:
    """A number's bits as an unsigned word of its size."""
    word = f"uint{BITS[dtype]}"
    if dtype == "bool":
        return tirx.Cast(word, expr)
    return expr if tir.dtype_of(expr) == word else _reinterpreted(word, expr)


def _reinterpreted(dtype: str, expr: Expr) -> Expr:
    """The same bits as another type. TVM computes with the float that a bfloat16 stands for."""
    held, sixteen = tir.dtype_of(expr), tir.const(16, "uint32")
    if held == "bfloat16":
        word = tir.reinterpreted(tirx.Cast("float32", expr), "uint32")
        expr = tirx.Cast("uint16", tirx.shift_right(word, sixteen))
    elif dtype == "bfloat16":
        word = expr if held == "uint16" else tirx.reinterpret("uint16", expr)
        wide = tirx.shift_left(tirx.Cast("uint32", word), sixteen)
        return tirx.Cast("bfloat16", tirx.reinterpret("float32", wide))
    return tir.reinterpreted(expr, dtype)


def as_number(expr: Expr, held: str, dtype: str) -> Expr:
    """An element that memory holds as `held`, seen as `dtype` of the same size."""
    if held == dtype:
        return expr
    if dtype == "bool":
        return tirx.NE(expr, tir.const(0, held))
    if held == "bool":
        return tirx.Cast(dtype, expr)
    word = expr if tir.dtype_of(expr) == held else tirx.Cast(held, expr)
    return _reinterpreted(dtype, word)


def joined(parts: tuple[Expr, ...], held: str, dtype: str) -> Expr:
    """A number of `dtype` whose bits are those of elements of type `held`, the lowest first."""
    word, bits = f"uint{BITS[dtype]}", BITS[held]
    whole: Expr | None = None
    for number, part in enumerate(parts):
        wide = tirx.Cast(word, as_bits(part, held))
        if number:
            wide = tirx.shift_left(wide, tir.const(number * bits, word))
        whole = wide if whole is None else tirx.bitwise_or(whole, wide)
    assert whole is not None
    return whole if dtype == word else _reinterpreted(dtype, whole)


def parts_of(expr: Expr, dtype: str, held: str) -> tuple[Expr, ...]:
    """The elements of type `held` that a number of `dtype` is made of, the lowest first."""
    count = BITS[dtype] // BITS[held]
    return tuple(part_of(expr, dtype, tir.const(number, "int32"), held) for number in range(count))


def part_of(expr: Expr, held: str, lane: Expr, dtype: str) -> Expr:
    """Number `lane` of type `dtype` within an element of type `held`."""
    word, narrow = f"uint{BITS[held]}", f"uint{BITS[dtype]}"
    bits = tirx.shift_right(as_bits(expr, held), tirx.Cast(word, lane * BITS[dtype]))
    low = tirx.Cast(narrow, tirx.bitwise_and(bits, tir.const((1 << BITS[dtype]) - 1, word)))
    return as_number(low, narrow, dtype)


def with_part(old: Expr, held: str, lane: Expr, bits: Expr, width: int) -> Expr:
    """The element `old` of type `held` with `bits` for its part `lane` of `width` bits."""
    word = f"uint{BITS[held]}"
    shift = tirx.Cast(word, lane * width)
    hole = tirx.bitwise_not(tirx.shift_left(tir.const((1 << width) - 1, word), shift))
    kept = tirx.bitwise_and(as_bits(old, held), hole)
    new = tirx.bitwise_or(kept, tirx.shift_left(tirx.Cast(word, bits), shift))
    return as_number(new, word, held)
