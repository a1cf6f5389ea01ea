"""Registers: vectors whose bits are seen as lanes of several types, and masks with a bit a lane.

`__m512i` says nothing of its lanes. A value of it is held as lanes of the type that its last
operation made; others are put together of those, or taken out of them, only where they are asked
for. A mask is a vector of truths until it is used as an integer.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .. import ir
from ..arithmetic import Arithmetic
from ..values import BITS, Lanes, Number
from .bits import as_number, joined, part_of

Lane = Callable[[Expr], Number]


def bytes_of(kind: ir.Vector) -> int:
    return BITS[kind.of.dtype] // 8 * kind.lanes


def is_register(kind: ir.Type) -> bool:
    """Whether a vector's declared element type tells nothing: `__m512i`, `__m256i`, `__m128i`."""
    return isinstance(kind, ir.Vector) and kind.of.dtype == "int64"


def is_mask(kind: ir.Type) -> bool:
    return isinstance(kind, ir.Vector) and kind.of.dtype == "bool"


def viewed(math: Arithmetic, value: Lanes, dtype: str) -> Lane:
    """The bits of a vector as lanes of type `dtype`."""
    if value.seen_as is not None:
        return value.seen_as(dtype)
    return _taken(math, value.kind.of.dtype, value.lane, dtype)


def register(math: Arithmetic, kind: ir.Vector, dtype: str, lane: Lane) -> Lanes:
    """A value of type `kind` whose bits are lanes of type `dtype`."""

    def seen_as(wanted: str) -> Lane:
        return _taken(math, dtype, lane, wanted)

    return Lanes(kind, seen_as(kind.of.dtype), dtype, seen_as)


def _taken(math: Arithmetic, held: str, lane: Lane, wanted: str) -> Lane:
    """Lanes of type `wanted` out of lanes of type `held`."""
    if held == wanted:
        return lane

    def plain(index: Expr) -> Expr:
        return math._as(lane(math.simplify(index)).expr, held)

    ratio = max(BITS[held], BITS[wanted]) // min(BITS[held], BITS[wanted])
    if BITS[held] == BITS[wanted]:
        return lambda index: Number(as_number(plain(index), held, wanted), wanted)
    if BITS[held] > BITS[wanted]:
        return lambda index: Number(
            part_of(
                plain(tirx.floordiv(index, ratio)),
                held,
                math.simplify(tirx.floormod(index, ratio)),
                wanted,
            ),
            wanted,
        )

    def whole(index: Expr) -> Number:
        parts = tuple(plain(index * ratio + number) for number in range(ratio))
        return Number(joined(parts, held, wanted), wanted, parts)

    return whole


# ---------------------------------------------------------------- masks


def mask_type(lanes: int) -> ir.Vector:
    return ir.Vector(ir.Arithmetic("bool"), lanes)


def as_mask(math: Arithmetic, value: Number, lanes: int) -> Lanes:
    """The lowest `lanes` bits of an integer."""
    return Lanes(mask_type(lanes), lambda index: Number(_bit(math, value.expr, index), "bool"))


def resized(math: Arithmetic, value: Lanes, lanes: int) -> Lanes:
    """A mask of another size: bits that it does not have are zero."""
    count = value.kind.lanes
    if count >= lanes:
        return Lanes(mask_type(lanes), value.lane)

    def lane(index: Expr) -> Number:
        inside = math.simplify(index < count)
        known = math.known(inside)
        if known is not None:
            return value.lane(index) if known else math.number(0, "bool")
        last = math.simplify(tirx.min(index, tir.const(count - 1, "int32")))
        false = tir.const(False, "bool")
        return Number(tirx.if_then_else(inside, math.truth(value.lane(last)), false), "bool")

    return Lanes(mask_type(lanes), lane)


def as_integer(math: Arithmetic, value: Lanes) -> Number:
    """The integer that a mask is."""
    lanes = value.kind.lanes
    dtype = "uint64" if lanes > 32 else "uint32"
    whole: Expr | None = None
    for number in range(lanes):
        bit = math.truth(value.lane(tir.const(number, "int32")))
        word = tirx.Select(bit, tir.const(1 << number, dtype), tir.const(0, dtype))
        whole = word if whole is None else tirx.bitwise_or(whole, word)
    assert whole is not None
    if lanes >= 32:
        return Number(whole, dtype)
    return Number(tirx.Cast("int32", whole), f"uint{max(8, lanes)}")


def _bit(math: Arithmetic, expr: Expr, index: Expr) -> Expr:
    """Whether bit `index` is set; that of a run of ones is a comparison."""
    if isinstance(expr, tirx.Select):
        sides = (_bit(math, side, index) for side in (expr.true_value, expr.false_value))
        return math.simplify(tirx.Select(expr.condition, *sides))
    ones = _ones(math, expr)
    if ones is not None:
        return math.simplify(index < ones)
    dtype = "uint64" if tir.dtype_of(expr).endswith("64") else "uint32"
    word = expr if tir.dtype_of(expr) == dtype else tirx.Cast(dtype, expr)
    bit = tirx.bitwise_and(tirx.shift_right(word, tirx.Cast(dtype, index)), tir.const(1, dtype))
    return tirx.NE(bit, tir.const(0, dtype))


def _ones(math: Arithmetic, expr: Expr) -> Expr | None:
    """How many ones a number is that has no other bits: `(1 << n) - 1`, `0xffff >> 16 - n`."""
    while isinstance(expr, tirx.Cast):
        expr = expr.value
    value = tir.as_const(expr)
    if value is not None:
        value %= 1 << 64
        return tir.const(value.bit_length(), "int32") if value & (value + 1) == 0 else None
    operation, operands = _call(expr)
    if operation == "bitwise_and":  # a number cut to its size
        inner, size = operands
        kept, count = _ones(math, size), _ones(math, inner)
        return None if kept is None or count is None else math.simplify(tirx.min(kept, count))
    if operation == "shift_right":
        count = _ones(math, operands[0])
        return None if count is None else math.simplify(count - _index(operands[1]))
    power: Expr | None = None
    less = {tirx.Sub: 1, tirx.Add: -1}.get(type(expr))
    if less is not None and tir.as_const(expr.b) == less:
        power = expr.a
    while isinstance(power, tirx.Cast):
        power = power.value
    operation, operands = _call(power)
    if operation == "shift_left" and tir.as_const(_uncast(operands[0])) == 1:
        return _index(operands[1])
    return None


def _uncast(expr: Expr) -> Expr:
    while isinstance(expr, tirx.Cast):
        expr = expr.value
    return expr


def _index(expr: Expr) -> Expr:
    inner = _uncast(expr)
    return inner if tir.dtype_of(inner) == "int32" else tirx.Cast("int32", inner)


def _call(expr: Expr | None) -> tuple[str, tuple[Expr, ...]]:
    """The name and the arguments of an operation that TIR writes as a call."""
    if expr is None or not hasattr(expr, "op") or not hasattr(expr, "args"):
        return "", ()
    return str(expr.op.name).rpartition(".")[2], tuple(expr.args)
