"""TIR's integer expressions as z3's, over mathematical integers.

Arithmetic is taken not to leave its type, which is an obligation of its own (`overflow`). What has
no form here, comparisons of floating-point numbers for one, becomes a constant about which nothing
is known: what is proved still holds, what is found need not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tvm_ffi
import z3
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.tensors import is_choice
from xpiler_tvm.frontends.values import BITS, range_of
from xpiler_tvm.tir import Expr, Var

BITS_WRITTEN_OUT = 8
"""Of a constant in a bitwise operation: with more bits set it is not looked into."""


class Encoder:
    """Expressions over variables, each of which gets a z3 integer when it is met.

    Two threads are two encoders, which `share` the variables that are alike for both; the names of
    others end in the encoder's `tag`. `guessed` is whether something had no form.
    """

    def __init__(self, context: z3.Context, share: Mapping[Var, Any], tag: str = "") -> None:
        self.context = context
        self.places = dict(share)
        self.tag = tag
        self.guessed = False

    def number(self, expr: Expr) -> Any:
        """An integer expression."""
        value = tir.as_const(expr)
        if value is not None:
            return z3.IntVal(value, self.context)
        if isinstance(expr, tirx.Var):
            return self._place(expr)
        maker = _BINARY.get(type(expr))
        if maker is not None:
            return maker(self.number(expr.a), self.number(expr.b))
        if isinstance(expr, tirx.Select):
            sides = self.number(expr.true_value), self.number(expr.false_value)
            return z3.If(self.test(expr.condition), *sides)
        if isinstance(expr, tirx.Cast) and tir.is_int(expr.value):
            if tir.dtype_of(expr.value) == "bool":
                return z3.If(self.test(expr.value), self._of(1), self._of(0))
            return self._cast(expr)
        if isinstance(expr, tirx.BitwiseNot):
            return -1 - self.number(expr.a)
        if is_choice(expr):
            test, yes, no = expr.args
            return z3.If(self.test(test), self.number(yes), self.number(no))
        written_out = _BITWISE.get(type(expr))
        if written_out is not None:
            found = written_out(self.number(expr.a), tir.as_const(expr.b), tir.dtype_of(expr))
            return self._unknown(expr) if found is None else found
        return self._unknown(expr)

    def test(self, expr: Expr) -> Any:
        """A condition."""
        value = tir.as_const(expr)
        if value is not None:
            return z3.BoolVal(bool(value), self.context)
        compare = _COMPARED.get(type(expr))
        if compare is not None and tir.is_int(expr.a):
            if tir.dtype_of(expr.a) == "bool":
                return self._unknown(expr)
            return compare(self.number(expr.a), self.number(expr.b))
        if isinstance(expr, tirx.And):
            return z3.And(self.test(expr.a), self.test(expr.b))
        if isinstance(expr, tirx.Or):
            return z3.Or(self.test(expr.a), self.test(expr.b))
        if isinstance(expr, tirx.Not):
            return z3.Not(self.test(expr.a))
        if is_choice(expr):
            return z3.If(*(self.test(arg) for arg in expr.args))
        return self._unknown(expr)

    def _place(self, var: Var) -> Any:
        if var not in self.places:
            name = f"{var.name}#{len(self.places)}{self.tag}"
            self.places[var] = z3.Int(name, self.context)
        return self.places[var]

    def _of(self, value: int) -> Any:
        return z3.IntVal(value, self.context)

    def _cast(self, expr: Expr) -> Any:
        value = self.number(expr.value)
        (low, high), (least, most) = (
            range_of(dtype) for dtype in (tir.dtype_of(expr.value), tir.dtype_of(expr))
        )
        if least <= low and high <= most:
            return value
        return (value - least) % (most - least + 1) + least

    def _unknown(self, expr: Expr) -> Any:
        """A constant for the expression, the same wherever it is the same."""
        self.guessed = True
        digest = tvm_ffi.structural_hash(expr, map_free_vars=False)
        name, dtype = f"{digest:x}{self.tag}", tir.dtype_of(expr)
        if dtype == "bool":
            return z3.Bool(name, self.context)
        free = z3.Int(name, self.context)
        low, high = range_of(dtype) if dtype in BITS else (0, 0)
        return (free - low) % (high - low + 1) + low


def _floordiv(a: Any, b: Any) -> Any:
    """z3's division by a number above zero rounds down."""
    if z3.is_int_value(b) and b.as_long() > 0:
        return a / b
    return z3.If(b > 0, a / b, (-a) / (-b))


def _floormod(a: Any, b: Any) -> Any:
    if z3.is_int_value(b) and b.as_long() > 0:
        return a % b
    return a - b * _floordiv(a, b)


def _truncdiv(a: Any, b: Any) -> Any:
    size = _floordiv(z3.If(a < 0, -a, a), z3.If(b < 0, -b, b))
    return z3.If((a < 0) == (b < 0), size, -size)


def _bit(a: Any, place: int) -> Any:
    return a / (1 << place) % 2


def _set_bits(value: int) -> list[int]:
    return [place for place in range(value.bit_length()) if value >> place & 1]


def _bitwise(a: Any, mask: int | None, term: Callable[[Any], Any]) -> Any:
    """The sum of `term(bit)` at the places that are set in the mask; `None` where it is long."""
    if mask is None or mask < 0 or mask.bit_count() > BITS_WRITTEN_OUT:
        return None
    parts = [term(_bit(a, place)) * (1 << place) for place in _set_bits(mask)]
    return z3.Sum([a - a, *parts])


def _and(a: Any, mask: int | None, dtype: str) -> Any:
    if mask is not None and mask >= 0 and mask & (mask + 1) == 0:
        return a % (mask + 1)
    return _bitwise(a, mask, lambda bit: bit)


def _or(a: Any, mask: int | None, dtype: str) -> Any:
    added = _bitwise(a, mask, lambda bit: 1 - bit)
    return None if added is None else a + added


def _xor(a: Any, mask: int | None, dtype: str) -> Any:
    added = _bitwise(a, mask, lambda bit: 1 - 2 * bit)
    return None if added is None else a + added


def _shift_right(a: Any, places: int | None, dtype: str) -> Any:
    return a / (1 << places) if places is not None and 0 <= places < BITS[dtype] else None


_BITWISE: dict[type, Callable[[Any, int | None, str], Any]] = {
    tirx.BitwiseAnd: _and,
    tirx.BitwiseOr: _or,
    tirx.BitwiseXor: _xor,
    tirx.RShift: _shift_right,
}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    tirx.Add: lambda a, b: a + b,
    tirx.Sub: lambda a, b: a - b,
    tirx.Mul: lambda a, b: a * b,
    tirx.FloorDiv: _floordiv,
    tirx.FloorMod: _floormod,
    tirx.Div: _truncdiv,
    tirx.Mod: lambda a, b: a - b * _truncdiv(a, b),
    tirx.Min: lambda a, b: z3.If(a < b, a, b),
    tirx.Max: lambda a, b: z3.If(a > b, a, b),
}
_COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    tirx.LT: lambda a, b: a < b,
    tirx.LE: lambda a, b: a <= b,
    tirx.GT: lambda a, b: a > b,
    tirx.GE: lambda a, b: a >= b,
    tirx.EQ: lambda a, b: a == b,
    tirx.NE: lambda a, b: a != b,
}

__all__ = ["Encoder"]
