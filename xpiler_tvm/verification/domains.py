"""What stands for floating-point numbers when a flat program is evaluated as something else.

    domain      a number becomes                a sum          a product      tells
    Double      the same in double precision    a + b          a * b          the right result
    Magnitude   its absolute value              a + b          a * b          sum |terms|
    Terms       1, or 0 for a constant zero     a + b          a * b          the number of terms
    Residue     an element of a finite field    a + b mod p    a * b mod p    the polynomial

A difference of magnitudes or of counts is a sum. Each domain raises `Undefined` for what it has no
answer to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

# Intrinsics whose constructor bears another name.
_NAMES = {"fabs": "abs"}


class Undefined(Exception):
    """The program does something that has no meaning in a domain; says what."""


class Domain:
    """Arithmetic in place of that of floating-point numbers; `dtype` holds a value of it."""

    dtype = "float64"

    def array(self, values: np.ndarray) -> np.ndarray:
        """What stands for an input."""
        return values.astype(np.float64)

    def scalar(self, value: float) -> float | int:
        """What stands for a number that is passed by value."""
        return float(value)

    def constant(self, value: float) -> Expr:
        return tir.const(value, self.dtype)

    def from_integer(self, value: Expr) -> Expr:
        return tirx.Cast(self.dtype, value)

    def rounded(self, value: Expr, dtype: str) -> Expr:
        """A conversion to another floating-point type: no rounding here."""
        del dtype
        return value

    def to_integer(self, value: Expr, dtype: str) -> Expr:
        raise Undefined("a conversion to an integer")

    def add(self, a: Expr, b: Expr) -> Expr:
        return tirx.Add(a, b)

    def subtract(self, a: Expr, b: Expr) -> Expr:
        return self.add(a, b)

    def multiply(self, a: Expr, b: Expr) -> Expr:
        return tirx.Mul(a, b)

    def divide(self, a: Expr, b: Expr, by: Expr) -> Expr:
        """`by` is the divisor as the program has it."""
        raise Undefined("a quotient")

    def extreme(self, kind: type, a: Expr, b: Expr) -> Expr:
        raise Undefined("a minimum or maximum")

    def compare(self, kind: type, a: Expr, b: Expr) -> Expr:
        raise Undefined("a comparison")

    def call(self, name: str, arguments: Sequence[Expr]) -> Expr:
        raise Undefined(name)


class Double(Domain):
    def subtract(self, a: Expr, b: Expr) -> Expr:
        return tirx.Sub(a, b)

    def divide(self, a: Expr, b: Expr, by: Expr) -> Expr:
        return tirx.Div(a, b)

    def to_integer(self, value: Expr, dtype: str) -> Expr:
        return tirx.Cast(dtype, value)

    def extreme(self, kind: type, a: Expr, b: Expr) -> Expr:
        return kind(a, b)

    def compare(self, kind: type, a: Expr, b: Expr) -> Expr:
        return kind(a, b)

    def call(self, name: str, arguments: Sequence[Expr]) -> Expr:
        function: Callable[..., Any] | None = getattr(tirx, _NAMES.get(name, name), None)
        if function is None:
            raise Undefined(name)
        return function(*arguments)


class Magnitude(Domain):
    def array(self, values: np.ndarray) -> np.ndarray:
        return np.abs(values.astype(np.float64))

    def scalar(self, value: float) -> float:
        return abs(float(value))

    def constant(self, value: float) -> Expr:
        return tir.const(abs(value), self.dtype)

    def from_integer(self, value: Expr) -> Expr:
        return tirx.abs(tirx.Cast(self.dtype, value))

    def divide(self, a: Expr, b: Expr, by: Expr) -> Expr:
        if not isinstance(by, tirx.FloatImm):
            raise Undefined("a quotient")
        return tirx.Div(a, b)

    def call(self, name: str, arguments: Sequence[Expr]) -> Expr:
        if name == "fabs":
            return arguments[0]
        raise Undefined(name)


class Terms(Domain):
    def array(self, values: np.ndarray) -> np.ndarray:
        return np.ones(values.shape)

    def scalar(self, value: float) -> float:
        return 1.0

    def constant(self, value: float) -> Expr:
        return tir.const(0.0 if value == 0 else 1.0, self.dtype)

    def from_integer(self, value: Expr) -> Expr:
        return self.constant(1.0)

    def divide(self, a: Expr, b: Expr, by: Expr) -> Expr:
        """As many as either has: the errors of both end up in the quotient."""
        return tirx.Max(a, b)

    def extreme(self, kind: type, a: Expr, b: Expr) -> Expr:
        return tirx.Max(a, b)

    def call(self, name: str, arguments: Sequence[Expr]) -> Expr:
        most = arguments[0]
        for argument in arguments[1:]:
            most = tirx.Max(most, argument)
        return most


class Residue(Domain):
    """Integers modulo a prime below 2^31, so that a product fits 64 bits."""

    dtype = "int64"

    def __init__(self, prime: int) -> None:
        self.prime = prime

    def array(self, values: np.ndarray) -> np.ndarray:
        """The bytes of `values` are residues already, as `identity` draws them."""
        return values.view(f"u{values.dtype.itemsize}").astype(np.int64)

    def scalar(self, value: float) -> int:
        return self._residue(value)

    def _residue(self, value: float) -> int:
        if not np.isfinite(value):
            raise Undefined("an infinite or undefined constant")
        above, below = float(value).as_integer_ratio()
        return above * pow(below, -1, self.prime) % self.prime

    def _reduced(self, value: Expr) -> Expr:
        return tirx.FloorMod(value, tir.const(self.prime, self.dtype))

    def constant(self, value: float) -> Expr:
        return tir.const(self._residue(value), self.dtype)

    def from_integer(self, value: Expr) -> Expr:
        return self._reduced(tirx.Cast(self.dtype, value))

    def add(self, a: Expr, b: Expr) -> Expr:
        return self._reduced(tirx.Add(a, b))

    def subtract(self, a: Expr, b: Expr) -> Expr:
        return self._reduced(tirx.Sub(a, b))

    def multiply(self, a: Expr, b: Expr) -> Expr:
        return self._reduced(tirx.Mul(a, b))

    def divide(self, a: Expr, b: Expr, by: Expr) -> Expr:
        if not isinstance(by, tirx.FloatImm) or not by.value:
            raise Undefined("a quotient")
        inverse = pow(self._residue(float(by.value)), -1, self.prime)
        return self.multiply(a, tir.const(inverse, self.dtype))
