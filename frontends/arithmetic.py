"""C's operators over values: conversions, arithmetic that wraps, comparisons."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tvm
from ml_dtypes import bfloat16
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.tir import Expr

from .modular import (
    by_halves,
    difference_of_halves,
    fits,
    in_signed_order,
    product_of_halves,
    signed,
    sum_of_halves,
    wrapped,
)
from .values import (
    BITS,
    Address,
    Null,
    Number,
    Value,
    common,
    promoted,
    range_of,
)

MOST_TESTS = 3  # inside each other, of an expression that is simplified
MOST_STEPS = 50_000  # of rewriting one expression; those of kernels take up to ten thousand
NO_NAN = "floating-point numbers that are compared are no NaN"
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_NUMPY: dict[str, Any] = {"float16": np.float16, "float32": np.float32, "bfloat16": bfloat16}


@dataclass(frozen=True, eq=False)
class Division:
    """A division or remainder of integers.

    It is `floored` where the dividend is proved not to lie below zero and the divisor above it:
    C's truncation is then rounding down, which TVM's analyses know. Elsewhere it stays C's.
    """

    op: str
    floored: bool
    span: Span


@dataclass(frozen=True, eq=False)
class Operation:
    """A sum, difference or product that C computes in `int`, of numbers that no memory is read for.

    `expr` is what was not proved to fit, under the tests on the way to it.
    """

    op: str
    expr: Expr | None
    tests: tuple[Expr, ...]
    span: Span


class Arithmetic:
    """C's operators over values, with what an analyzer knows of the variables' ranges."""

    def __init__(self, analyzer: Any) -> None:
        self.analyzer = analyzer
        self.assumptions: set[str] = set()
        self.divisions: list[Division] = []
        self.operations: list[Operation] = []
        self.path: list[Expr] = []
        # Whether a sum of two bfloat16 is one, or a float.
        self.rounds_bfloat16 = False

    def number(self, value: int | float | bool, dtype: str) -> Number:
        if "float" in dtype:  # the text's decimal digits, rounded as the compiler rounds them
            if dtype != "float64":
                value = float(np.asarray(value, _NUMPY[dtype]))
            return Number(tir.const(float(value), dtype), dtype)
        value = int(value)
        low, high = range_of(dtype)
        if not low <= value <= high:
            value = (value - low) % (high - low + 1) + low
        return Number(tir.const(value, "int32" if fits(value, value) else dtype), dtype)

    def bounds(self, expr: Expr) -> tuple[int, int]:
        return tir.bounds(self.analyzer, expr)

    def simplify(self, expr: Expr) -> Expr:
        if tir.nested_tests(expr) > MOST_TESTS:
            return expr
        self.analyzer.reset_rewrite_simplify_stats()
        self.analyzer.set_maximum_rewrite_steps(MOST_STEPS)
        try:
            return self.analyzer.simplify(expr)
        except (tvm.error.InternalError, ValueError):
            # TVM folds 0u - 1u and constants beyond 2^63, and trips over the result. Choices in
            # choices take it steps without end, for nothing.
            return expr
        finally:
            self.analyzer.set_maximum_rewrite_steps(0)

    def known(self, expr: Expr) -> int | None:
        """The value of a test or an integer where it is certain."""
        return tir.as_const(self.simplify(expr))

    # ------------------------------------------------------------ conversions

    def convert(self, value: Number, dtype: str) -> Number:
        """`(dtype)value`."""
        if value.dtype == dtype:
            return value
        if "float" in dtype:
            expr = value.expr
            if tir.as_const(expr) is not None:
                return self.number(tir.as_const(expr) or 0, dtype)
            if isinstance(expr, tirx.FloatImm):
                return self.number(float(expr.value), dtype)
            if dtype == "bfloat16":
                expr = nearest_bfloat16(expr)
            return Number(tirx.Cast(dtype, expr), dtype)
        if dtype == "bool":
            return Number(self.truth(value), "bool")
        if value.is_float:
            whole = _whole(value.expr, dtype)
            if whole is not None:
                return self.number(whole, dtype)
            return Number(tirx.Cast(dtype, value.expr), dtype)
        exact = exact_sum(value)
        if exact is not None and dtype == "uint64":
            return replace(self._integer(value.expr, dtype), exact=exact)
        if exact is not None and dtype == "int32" and tir.dtype_of(value.expr) != "int32":
            narrow = sums_of_ints(exact, dtype)
            if narrow is not None and not tir.has_load(narrow) and fits(*self.bounds(exact)):
                return Number(self.simplify(narrow), dtype)
        return self._integer(value.expr, dtype)

    def _integer(self, expr: Expr, dtype: str) -> Number:
        """An integer expression brought to C type `dtype`, in int32 where it provably fits."""
        if tir.dtype_of(expr) == "bool":
            test = self.known(expr)
            if test is not None:
                return self.number(test, dtype)
            expr = tirx.Cast("int32", expr)
        constant = tir.as_const(expr)
        if constant is not None:
            return self.number(constant, dtype)
        while (
            isinstance(expr, tirx.Cast)
            and dtype == "int32"
            and (
                tir.dtype_of(expr) in ("uint32", "int64", "uint64")
                and tir.dtype_of(expr.value) == "int32"
            )
        ):
            expr = expr.value  # int -> unsigned or wider -> int gives the same bits back
        low, high = self.bounds(expr)
        least, most = range_of(dtype)
        if least <= low and high <= most and tir.dtype_of(expr) == "int32":
            return Number(expr, dtype)
        if least <= low and high <= most and fits(low, high) and not tir.has_load(expr):
            return Number(self.simplify(tirx.Cast("int32", expr)), dtype)
        if least <= low and high <= most:
            return Number(self._as(expr, dtype), dtype)
        if isinstance(expr, tir.Load) and BITS[dtype] == BITS[tir.dtype_of(expr)] == 16:
            # As a rule the bits of a number, which are wanted as they are.
            return Number(tir.reinterpreted(expr, dtype), dtype)
        if BITS[dtype] == 64 and (tir.has_load(expr) or high < tir.INT_INF):
            return Number(by_halves(expr, dtype), dtype)
        return Number(wrapped(expr, dtype), dtype)

    def truth(self, value: Value) -> Expr:
        """A value as a condition."""
        if isinstance(value, (Address, Null)):
            return tir.const(isinstance(value, Address), "bool")
        assert isinstance(value, Number)
        if tir.dtype_of(value.expr) == "bool":
            return value.expr
        expr = value.expr
        if isinstance(expr, tirx.Cast) and tir.dtype_of(expr.value) == "bool":
            return expr.value
        test = tirx.NE(expr, tir.const(0, tir.dtype_of(expr)))
        return test if value.is_float else self.simplify(test)

    def as_index(self, value: Number) -> Expr:
        """A number by which a pointer moves: modulo 2^64 it is the same as the signed one."""
        expr = value.expr
        if value.exact is not None and value.dtype == "uint64":
            return value.exact
        dtype = tir.dtype_of(expr)
        if dtype == "bool":
            return self.simplify(tirx.Cast("int32", expr))
        if dtype in ("int32", "int64"):
            return expr
        return tirx.Cast("int64" if dtype in ("uint32", "uint64") else "int32", expr)

    # ------------------------------------------------------------ operators

    def binary(self, op: str, left: Number, right: Number, span: Span) -> Number:
        if op in ("<", ">", "<=", ">=", "==", "!="):
            return self._compare(op, left, right)
        if op in ("<<", ">>"):
            return self._shift(op, left, right, span)
        if self.rounds_bfloat16 and left.dtype == right.dtype == "bfloat16":
            left, right = self.convert(left, "float32"), self.convert(right, "float32")
            return self.convert(self.binary(op, left, right, span), "bfloat16")
        dtype = common(left.dtype, right.dtype)
        if "float" in dtype:
            a, b = self.convert(left, dtype).expr, self.convert(right, dtype).expr
            if op not in ("+", "-", "*", "/"):
                raise ReadError("XP1002", f"'{op}' of floating-point values", span=span)
            makers = {"+": tirx.Add, "-": tirx.Sub, "*": tirx.Mul, "/": tirx.Div}
            if isinstance(a, tirx.FloatImm) and isinstance(b, tirx.FloatImm):
                return self._fold(op, float(a.value), float(b.value), dtype)
            return Number(makers[op](a, b), dtype)
        a, b = self.convert(left, dtype).expr, self.convert(right, dtype).expr
        if op in ("&", "|", "^"):
            return self._bitwise(op, a, b, dtype)
        if op in ("/", "%"):
            return self._divide(op, a, b, dtype, span)
        found = self._linear(op, a, b, dtype, span)
        if dtype != "uint64":
            return found
        x, y = (exact_sum(self.convert(one, dtype)) for one in (left, right))
        if x is None or y is None:
            return found
        exact = self.simplify({"+": tirx.Add, "-": tirx.Sub, "*": tirx.Mul}[op](x, y))
        low, high = self.bounds(exact)
        return replace(found, exact=exact) if low > -tir.INT_INF and high < tir.INT_INF else found

    def _fold(self, op: str, a: float, b: float, dtype: str) -> Number:
        kind = np.dtype(dtype).type
        x, y = kind(a), kind(b)
        with np.errstate(all="ignore"):
            result = {"+": x + y, "-": x - y, "*": x * y, "/": np.divide(x, y)}[op]
        return self.number(float(result), dtype)

    def _linear(self, op: str, a: Expr, b: Expr, dtype: str, span: Span) -> Number:
        x, y = tir.as_const(a), tir.as_const(b)
        if x is not None and y is not None:
            return self.number({"+": x + y, "-": x - y, "*": x * y}[op], dtype)
        (a0, a1), (b0, b1) = self.bounds(a), self.bounds(b)
        if dtype == "uint64":  # what has no bound may be beyond the greatest that bounds tell
            a1, b1 = (top if top < tir.INT_INF else range_of(dtype)[1] for top in (a1, b1))
        corners = {
            "+": (a0 + b0, a1 + b1),
            "-": (a0 - b1, a1 - b0),
            "*": (
                min(a0 * b0, a0 * b1, a1 * b0, a1 * b1),
                max(a0 * b0, a0 * b1, a1 * b0, a1 * b1),
            ),
        }[op]
        low, high = range_of(dtype)
        is_signed = not dtype.startswith("u")
        narrow = tir.dtype_of(a) == tir.dtype_of(b) == "int32"
        makers = {"+": tirx.Add, "-": tirx.Sub, "*": tirx.Mul}
        if narrow and dtype == "int32" and not (tir.has_load(a) or tir.has_load(b)):
            always = fits(*corners)
            made = None if always else makers[op](a, b)
            self.operations.append(Operation(op, made, () if always else tuple(self.path), span))
        # Signed overflow is undefined in C, so an int result may be taken to fit.
        if narrow and (dtype == "int32" or (fits(*corners) and (is_signed or corners[0] >= low))):
            return Number(self.simplify(makers[op](a, b)), dtype)
        a, b = self._as(a, dtype), self._as(b, dtype)
        # TVM takes unsigned arithmetic not to wrap, and so does the LLVM code that it makes.
        bounded = all(value is not None or top < tir.INT_INF for value, top in ((x, a1), (y, b1)))
        is_data = tir.has_load(a) or tir.has_load(b) or bounded
        if dtype == "uint64" and op == "-" and not self.analyzer.can_prove(a >= b):
            if is_data:
                return Number(difference_of_halves(a, b), dtype)
            below = tirx.bitwise_not(b - a) + tir.const(1, dtype)
            return Number(tirx.Select(a >= b, a - b, below), dtype)
        if dtype == "uint32" and (op == "-" or corners[1] > high):
            wide, other = tirx.Cast("int64", a), tirx.Cast("int64", b)
            if op == "*":  # a signed factor keeps the product within 64 bits
                other = signed(other) if y is None else tir.const(y - (y >> 31 << 32), "int64")
            return Number(wrapped(makers[op](wide, other), dtype), dtype)
        if dtype == "uint64" and corners[1] > high:
            if is_data:
                make = sum_of_halves if op == "+" else product_of_halves
                return Number(make(a, b), dtype)
            self.assumptions.add("64-bit unsigned sums and products do not wrap")
        return Number(self.simplify(makers[op](a, b)), dtype)

    def _as(self, expr: Expr, dtype: str) -> Expr:
        return expr if tir.dtype_of(expr) == dtype else tirx.Cast(dtype, expr)

    def _divide(self, op: str, a: Expr, b: Expr, dtype: str, span: Span) -> Number:
        if self.known(b) == 0:
            raise LiftError("XP2004", "this divides by zero", span=span)
        if tir.dtype_of(a) != tir.dtype_of(b):
            a, b = self._as(a, dtype), self._as(b, dtype)
        unsigned = tir.dtype_of(b).startswith("u")  # zero is undefined, below zero is nothing
        positive = unsigned or self.bounds(b)[0] > 0 or self.analyzer.can_prove(b > 0)
        floored = positive and self.bounds(a)[0] >= 0
        self.divisions.append(Division(op, floored, span))
        if floored:
            if self.bounds(a)[1] < self.bounds(b)[0]:
                return Number(a, dtype) if op == "%" else self.number(0, dtype)
            expr = tirx.floordiv(a, b) if op == "/" else tirx.floormod(a, b)
        else:
            expr = tirx.truncdiv(a, b) if op == "/" else tirx.truncmod(a, b)
        return Number(self.simplify(expr), dtype)

    def _shift(self, op: str, left: Number, right: Number, span: Span) -> Number:
        dtype = promoted(left.dtype)
        a, count = self.convert(left, dtype), self.known(self.convert(right, "int32").expr)
        constant = tir.as_const(a.expr)
        if constant is not None and count is not None and 0 <= count < BITS[dtype]:
            return self.number(constant << count if op == "<<" else constant >> count, dtype)
        if count is not None and 0 <= count < BITS[dtype] - 1:
            factor = self.number(1 << count, dtype)
            if op == "<<":
                top = max(map(abs, self.bounds(a.expr))) << count
                # Of data, bits are shifted out on purpose; an index from data is taken to fit, and
                # is shifted by less.
                on_purpose = tir.has_load(a.expr) and (dtype.startswith("u") or count >= 16)
                if on_purpose and top > range_of(dtype)[1]:
                    if BITS[dtype] == 64:
                        shift = tir.const(count, dtype)
                        return Number(tirx.shift_left(self._as(a.expr, dtype), shift), dtype)
                    wide = tirx.Cast("int64", a.expr) * tir.const(1 << count, "int64")
                    return Number(wrapped(wide, dtype), dtype)
                return self.binary("*", a, factor, span)
            if not fits(1 << count, 1 << count):
                a = Number(self._as(a.expr, dtype), dtype)
            return Number(self.simplify(tirx.floordiv(a.expr, self._like(factor, a))), dtype)
        if count is not None and not 0 <= count < BITS[dtype]:
            raise ReadError(
                "XP1009", f"a shift of {dtype} by {count} bits has no meaning", span=span
            )
        make = tirx.shift_left if op == "<<" else tirx.shift_right
        return Number(make(self._as(a.expr, dtype), self._as(right.expr, dtype)), dtype)

    def _like(self, value: Number, other: Number) -> Expr:
        return self._as(value.expr, tir.dtype_of(other.expr))

    def _bitwise(self, op: str, a: Expr, b: Expr, dtype: str) -> Number:
        left, right = self.known(a), self.known(b)
        if left is not None and right is not None:
            return self.number({"&": left & right, "|": left | right, "^": left ^ right}[op], dtype)
        for x, y in ((a, b), (b, a)):
            bits = self.known(y)
            low, high = self.bounds(x)
            if bits is None or not 0 <= bits < tir.INT_INF or low < 0:
                continue
            if op == "&" and bits & (bits + 1) == 0:
                if high <= bits:
                    return Number(x, dtype)
                size = tir.const(bits + 1, tir.dtype_of(x))
                return Number(self.simplify(tirx.floormod(x, size)), dtype)
            # x ^ 2^k flips one digit: x + 2^k or x - 2^k.
            room = high < tir.INT_INF and high + bits <= range_of(tir.dtype_of(x))[1]
            if op == "^" and room and 0 < bits < 1 << 30 and bits & (bits - 1) == 0:
                digit = tirx.floormod(tirx.floordiv(x, y), tir.const(2, tir.dtype_of(x)))
                return Number(self.simplify(x + y - digit * (2 * bits)), dtype)
        make = {"&": tirx.bitwise_and, "|": tirx.bitwise_or, "^": tirx.bitwise_xor}[op]
        return Number(make(self._as(a, dtype), self._as(b, dtype)), dtype)

    def _compare(self, op: str, left: Number, right: Number) -> Number:
        dtype = common(left.dtype, right.dtype)
        a, b = self.convert(left, dtype).expr, self.convert(right, dtype).expr
        x, y = tir.as_const(a), tir.as_const(b)
        if x is not None and y is not None:
            return self.number(_COMPARED[op](x, y), "bool")
        if tir.dtype_of(a) != tir.dtype_of(b):
            a, b = (
                self._as(side, dtype) if value is None else tir.const(value, dtype)
                for side, value in ((a, x), (b, y))
            )
        chosen = self._compare_chosen(op, a, b) if "float" not in dtype else None
        if chosen is not None:
            return Number(chosen, "bool")
        make = {"<": tirx.LT, ">": tirx.GT, "<=": tirx.LE, ">=": tirx.GE, "==": tirx.EQ}
        if (x is not None or y is not None) and tir.dtype_of(a) in ("uint32", "uint64"):
            known = self.known(make[op](a, b) if op in make else tirx.NE(a, b))
            if known is not None:
                return self.number(known, "bool")
            a, b = in_signed_order(a), in_signed_order(b)
        if "float" in dtype and op in ("==", "!=") and tir.same(a, b):
            # Not the same as itself: NaN, which TVM's simplifier does not think of.
            wide = self.convert(Number(a, dtype), dtype if BITS[dtype] > 16 else "float32")
            nan = tirx.isnan(wide.expr)
            return Number(nan if op == "!=" else tirx.Not(nan), "bool")
        if "float" in dtype and op == "!=":
            self.assumptions.add(NO_NAN)
        test = make[op](a, b) if op in make else tirx.NE(a, b)
        return Number(test if "float" in dtype else self.simplify(test), "bool")

    def negation(self, test: Expr) -> Expr:
        """`!test`. TVM takes the opposite of `a < b` for `a >= b`."""
        if any("float" in tir.dtype_of(side) for side in tir.compared(test)):
            self.assumptions.add(NO_NAN)
        negated = tirx.Not(test)
        return negated if tir.has_load(test) else self.simplify(negated)

    def _compare_chosen(self, op: str, a: Expr, b: Expr) -> Expr | None:
        """`(c ? x : y) op b` where one of the two comparisons is known: `c` decides."""
        if not isinstance(a, tirx.Select) or tir.has_load(a) or tir.as_const(b) is None:
            return None
        dtype = tir.dtype_of(a)
        right, test = Number(b, dtype), a.condition
        then = self.truth(self._compare(op, Number(a.true_value, dtype), right))
        other = self.truth(self._compare(op, Number(a.false_value, dtype), right))
        if tir.as_const(then) is None and tir.as_const(other) is None:
            return None
        both = tirx.Or(tirx.And(test, then), tirx.And(tirx.Not(test), other))
        return self.simplify(both)

    def _proved_extremum(self, test: Expr, then: Expr, other: Expr) -> Expr | None:
        """A minimum or maximum whose test was simplified: `i < 3 ? 15 * i + 15 : 60`."""
        kinds = ("int32", "int64")
        sides = (getattr(test, "a", then), then)
        if any(tir.dtype_of(side) not in kinds for side in sides):
            return None  # TVM's proofs about unsigned numbers are not to be relied on
        with self.analyzer.constraint_scope(test):
            less, more = map(self.analyzer.can_prove, (then <= other, then >= other))
        with self.analyzer.constraint_scope(self.simplify(tirx.Not(test))):
            if less and self.analyzer.can_prove(other <= then):
                return tirx.min(then, other)
            if more and self.analyzer.can_prove(other >= then):
                return tirx.max(then, other)
        return None

    def negative(self, value: Number, span: Span) -> Number:
        if value.is_float:
            if isinstance(value.expr, tirx.FloatImm):
                return self.number(-float(value.expr.value), value.dtype)
            # 0 - x would lose the sign of zero
            return Number(value.expr * tir.const(-1.0, value.dtype), value.dtype)
        dtype = promoted(value.dtype)
        return self.binary("-", self.number(0, dtype), self.convert(value, dtype), span)

    def select(self, test: Expr, then: Number, other: Number) -> Number:
        """`test ? then : other`, lazily where a side reads memory."""
        known = self.known(test) if not tir.has_load(test) else None
        dtype = common(then.dtype, other.dtype) if then.dtype != other.dtype else then.dtype
        a, b = self.convert(then, dtype), self.convert(other, dtype)
        if known is not None:
            return a if known else b
        x, y = a.expr, b.expr
        if tir.dtype_of(x) != tir.dtype_of(y):
            x, y = self._as(x, dtype), self._as(y, dtype)
        extremum = _as_extremum(test, x, y)
        if extremum is not None and (a.is_float or tir.has_load(extremum)):
            return Number(extremum, dtype)
        if tir.has_load(x) or tir.has_load(y):
            return Number(tirx.if_then_else(test, x, y), dtype)
        chosen = tirx.Select(test, x, y)
        if a.is_float or tir.has_load(test):
            return Number(chosen, dtype)
        extremum = self._proved_extremum(test, x, y) if extremum is None else extremum
        return Number(self.simplify(chosen if extremum is None else extremum), dtype)


def _whole(expr: Expr, dtype: str) -> int | None:
    """A floating-point constant as an integer of a type that has it, else `None`."""
    if not isinstance(expr, tirx.FloatImm) or not math.isfinite(float(expr.value)):
        return None
    whole, (least, most) = int(float(expr.value)), range_of(dtype)
    return whole if least <= whole <= most else None


def nearest_bfloat16(expr: Expr) -> Expr:
    """A number whose float32 (or float64) has no more bits than the nearest bfloat16.

    TVM keeps values that are to be bfloat16 in float32 until they reach an array.
    """
    dtype = tir.dtype_of(expr)
    if dtype == "bfloat16":
        return expr
    if dtype != "float32":
        expr, dtype = tirx.Cast("float64", expr), "float64"
    word, dropped = f"uint{BITS[dtype]}", 16 if dtype == "float32" else 45
    bits, one = tirx.reinterpret(word, expr), tir.const(1, word)
    odd = tirx.bitwise_and(tirx.shift_right(bits, tir.const(dropped, word)), one)
    kept = tir.const((1 << BITS[dtype]) - (1 << dropped), word)
    rounded = tirx.bitwise_and(bits + odd + tir.const((1 << dropped - 1) - 1, word), kept)
    is_nan = tirx.NE(expr, expr)
    return tirx.Select(is_nan, expr, tirx.reinterpret(dtype, rounded))


def exact_sum(value: Number) -> Expr | None:
    """The number as a sum of `int`s in int64, where it is known to be one."""
    if value.exact is not None or value.is_float or value.dtype == "bool":
        return value.exact
    return sums_of_ints(value.expr, "int64")


def sums_of_ints(expr: Expr, dtype: str) -> Expr | None:
    """Sums and products of an `int` and a `size_t`, or the like, as those of the `int`s in `dtype`.

    `(uint64)rows * 4ull` becomes `rows * 4`; the low 32 bits are the same. `None` for what is made
    of anything else.
    """
    if tir.dtype_of(expr) == "int32":
        return expr if dtype == "int32" else tirx.Cast(dtype, expr)
    if tir.dtype_of(expr) not in ("uint32", "int64", "uint64"):
        return None
    if isinstance(expr, tirx.IntImm):
        return tir.const(int(expr.value), dtype) if abs(int(expr.value)) < 1 << 31 else None
    if isinstance(expr, tirx.Cast):
        return sums_of_ints(expr.value, dtype)
    parts: list[Expr] = []
    if isinstance(expr, (tirx.Add, tirx.Sub, tirx.Mul)):
        parts = [expr.a, expr.b]
    elif isinstance(expr, tirx.Select):
        parts = [expr.true_value, expr.false_value]
    elif _name_of(expr) in ("tirx.reinterpret", "tirx.bitwise_not"):
        parts = list(expr.args)
    found = [sums_of_ints(part, dtype) for part in parts]
    if not found or any(part is None for part in found):
        return None
    if isinstance(expr, tirx.Select):
        return tirx.Select(expr.condition, *found)
    if _name_of(expr) == "tirx.reinterpret":
        return found[0]
    return tir.const(-1, dtype) - found[0] if len(found) == 1 else type(expr)(*found)


def _name_of(expr: Expr) -> str:
    """The name of the intrinsic that is called."""
    return str(getattr(expr.op, "name", "")) if isinstance(expr, tvm.ir.Call) else ""


def _as_extremum(test: Expr, then: Expr, other: Expr) -> Expr | None:
    """`a < b ? a : b` is a minimum, which bounds analysis and the raiser understand.

    The operands are kept in C's order: TVM's `max(a, b)` is `a > b ? a : b`, so that a NaN makes
    both give the second one.
    """
    if isinstance(test, (tirx.LT, tirx.LE)):
        small, large = test.a, test.b
    elif isinstance(test, (tirx.GT, tirx.GE)):
        small, large = test.b, test.a
    else:
        return None
    if tir.same(then, small) and tir.same(other, large):
        return tirx.min(then, other)
    if tir.same(then, large) and tir.same(other, small):
        return tirx.max(then, other)
    return None
