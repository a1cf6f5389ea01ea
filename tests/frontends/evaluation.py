"""TIR's integer expressions by their definition: a second opinion on what was built.

Nothing may overflow, in signed types nor in unsigned ones: TVM's LLVM code takes it so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tvm
from tvm import tirx

from xpiler_tvm.frontends.values import range_of
from xpiler_tvm.tir import dtype_of


class Overflow(ArithmeticError):
    """An intermediate outside its type."""


def truncated(a: int, b: int) -> int:
    """C's `a / b`."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


_BINARY: dict[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": truncated,
    "Mod": lambda a, b: a - truncated(a, b) * b,
    "FloorDiv": lambda a, b: a // b,
    "FloorMod": lambda a, b: a % b,
    "Min": min,
    "Max": max,
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
    "And": lambda a, b: a and b,
    "Or": lambda a, b: a or b,
    "BitwiseAnd": lambda a, b: a & b,
    "BitwiseOr": lambda a, b: a | b,
    "BitwiseXor": lambda a, b: a ^ b,
    "RShift": lambda a, b: a >> b,
}


def wrap(value: int, dtype: str) -> int:
    low, high = range_of(dtype)
    return (value - low) % (high - low + 1) + low


def value_of(expr: Any, at: Mapping[Any, int] | None = None) -> int:
    """The value of an integer expression where the variables are as in `at`."""
    at = at or {}
    dtype = dtype_of(expr)

    def fits(value: int) -> int:
        low, high = range_of(dtype)
        if not low <= value <= high:
            raise Overflow(f"{value} is no {dtype}: {expr}")
        return int(value)

    if isinstance(expr, tirx.IntImm):
        return int(expr.value)
    if isinstance(expr, tirx.Var):
        return at[expr]
    if isinstance(expr, tirx.Cast):
        inner = value_of(expr.value, at)
        return int(inner != 0) if dtype == "bool" else wrap(inner, dtype)
    kind = type(expr).__name__
    if kind == "Select":
        return value_of(expr.true_value if value_of(expr.condition, at) else expr.false_value, at)
    if kind == "Not":
        return int(not value_of(expr.a, at))
    if kind == "BitwiseNot":
        return wrap(~value_of(expr.a, at), dtype)
    if kind == "LShift":
        return wrap(value_of(expr.a, at) << value_of(expr.b, at), dtype)
    if kind in _BINARY:
        return fits(_BINARY[kind](value_of(expr.a, at), value_of(expr.b, at)))
    assert isinstance(expr, tvm.ir.Call), kind
    if expr.op.name.endswith("if_then_else"):
        test, then, other = expr.args
        return value_of(then if value_of(test, at) else other, at)
    assert expr.op.name.endswith("reinterpret"), expr.op.name
    return wrap(value_of(expr.args[0], at), dtype)
