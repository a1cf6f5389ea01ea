"""Integers modulo 2^n, in casts that keep values: TVM takes no others for granted."""

from __future__ import annotations

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .values import BITS, INT32


def _halves(expr: Expr) -> tuple[Expr, Expr]:
    """The lower and the upper 32 bits of a uint64."""
    mask, count = tir.const(0xFFFFFFFF, "uint64"), tir.const(32, "uint64")
    return tirx.bitwise_and(expr, mask), tirx.shift_right(expr, count)


def _joined_halves(low: Expr, high: Expr) -> Expr:
    """Of sums of halves, with the carry: the lowest 64 bits."""
    rest, carry = _halves(low)
    upper, _ = _halves(high + carry)
    return tirx.bitwise_or(tirx.shift_left(upper, tir.const(32, "uint64")), rest)


def sum_of_halves(a: Expr, b: Expr) -> Expr:
    """`a + b` modulo 2^64, of numbers that do not wrap."""
    (a0, a1), (b0, b1) = _halves(a), _halves(b)
    return _joined_halves(a0 + b0, a1 + b1)


def difference_of_halves(a: Expr, b: Expr) -> Expr:
    """`a - b` modulo 2^64, as `a + ~b + 1`: TVM's analyses fail below zero."""
    (a0, a1), (b0, b1) = _halves(a), _halves(b)
    mask, one = tir.const(0xFFFFFFFF, "uint64"), tir.const(1, "uint64")
    low = a0 + tirx.bitwise_xor(b0, mask) + one
    return _joined_halves(low, a1 + tirx.bitwise_xor(b1, mask))


def product_of_halves(a: Expr, b: Expr) -> Expr:
    """`a * b` modulo 2^64, of numbers that do not wrap."""
    (a0, a1), (b0, b1) = _halves(a), _halves(b)
    crossed = _halves(a0 * b1)[0] + _halves(a1 * b0)[0]
    return _joined_halves(a0 * b0, crossed)


def by_halves(expr: Expr, dtype: str) -> Expr:
    """A 64-bit number modulo 2^64, in casts that keep values.

    LLVM takes no reinterpreted zero, and TVM narrows what is reinterpreted as if it were an index.
    """
    if dtype == "int64":
        low, high = (tirx.Cast(dtype, half) for half in _halves(expr))
        upper = tirx.shift_left(signed(high), tir.const(32, dtype))
        return tirx.bitwise_or(upper, low)
    wide = expr if tir.dtype_of(expr) == "int64" else tirx.Cast("int64", expr)
    mask, count = tir.const(0xFFFFFFFF, "int64"), tir.const(32, "int64")
    low = tirx.bitwise_and(wide, mask)
    high = tirx.bitwise_and(tirx.shift_right(wide, count), mask)
    upper = tirx.shift_left(tirx.Cast(dtype, high), tir.const(32, dtype))
    return tirx.bitwise_or(upper, tirx.Cast(dtype, low))


def wrapped(expr: Expr, dtype: str) -> Expr:
    """An integer modulo 2^bits. TVM takes casts to keep values, so the bits are cut out first."""
    if tir.dtype_of(expr) == dtype:
        return expr
    bits = BITS[dtype]
    if bits == 64:
        wide = expr if tir.dtype_of(expr).endswith("64") else tirx.Cast("int64", expr)
        return wide if tir.dtype_of(wide) == dtype else tirx.reinterpret(dtype, wide)
    wide = tirx.Cast("int64", expr) if tir.dtype_of(expr) != "int64" else expr
    low = tirx.bitwise_and(wide, tir.const((1 << bits) - 1, "int64"))
    return tirx.Cast(dtype, low if dtype.startswith("u") else signed(low, bits))


def in_signed_order(expr: Expr) -> Expr:
    """An int64 that is compared with others as the unsigned number is.

    TVM's simplifier takes constants from each other, and fails below zero.
    """
    value, wide = tir.as_const(expr), tir.dtype_of(expr) == "uint64"
    if value is not None:
        return tir.const(value - (1 << 63 if wide else 0), "int64")
    if not wide:
        return tirx.Cast("int64", expr)
    return by_halves(tirx.bitwise_xor(expr, tir.const(1 << 63, "uint64")), "int64")


def signed(expr: Expr, bits: int = 32) -> Expr:
    """The lowest `bits` of an int64, which has no others, read as a signed number."""
    sign = tir.const(1 << bits - 1, "int64")
    return tirx.bitwise_xor(expr, sign) - sign


def fits(low: int, high: int) -> bool:
    return INT32[0] <= low and high <= INT32[1]
