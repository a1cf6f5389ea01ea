"""Digits of one number that stand apart, put together again, and tests without divisions.

    (f + 20) // 16 * 16 + (f + 4) % 16      ->    f + 20
    x // 16 * 4 + x // 4 % 4                ->    x // 4
    16*i + x // 4 < 17                      ->    64*i + x < 68

TVM's simplifier puts digits together where both are of the very same number, but brings constants
into range first: `(f + 20) % 16` is `(f + 4) % 16` by then. Tests it divides by what their numbers
have in common.
"""

from __future__ import annotations

from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr


def recombined(expr: Expr, analyzer: Any) -> Expr:
    """An integer expression without reads, its digits put together, simplified."""
    found: list[Expr] = []
    kinds = (FloorDiv, FloorMod)
    tvm_ffi.structural_walk(expr, [(kind, found.append) for kind in kinds], order="pre")
    if not all(any(isinstance(node, kind) for node in found) for kind in kinds):
        return expr
    changed = tvm_ffi.structural_map(
        expr, (tirx.Add, lambda node: _sum(node, analyzer)), order="post"
    )
    return expr if tir.same(changed, expr) else analyzer.simplify(changed)


def undivided(test: Expr, analyzer: Any) -> Expr:
    """A test with its comparisons multiplied out, where each has one quotient: `floor(x / d) < m`
    holds for the integers x < d*m."""

    def change(node: Expr) -> Expr:
        if not tir.is_int(node.a) or tir.has_load(node):
            return node
        terms = [*_terms(node.a, 1), *_terms(node.b, -1)]
        quotients = [term for term in terms if isinstance(term[1], FloorDiv)]
        if len(quotients) != 1 or abs(quotients[0][0]) != 1:
            return node
        ((sign, quotient),) = quotients
        divisor = tir.as_const(quotient.b)
        if divisor is None or divisor < 2:
            return node
        zero = tir.const(0, tir.dtype_of(node.a))
        rest = sum((atom * factor for factor, atom in terms if atom is not quotient), zero)
        # sign*q + rest < 0 (or <= 0, where one more is below 0)
        strict = isinstance(node, tirx.LT)
        if sign == 1:  # q < m
            most = (rest if strict else rest - 1) * -divisor
            return _less(quotient.a, most, analyzer)
        least = (rest + 1 if strict else rest) * divisor  # q >= m
        return _less(least - 1, quotient.a, analyzer)

    for kind in (tirx.LT, tirx.LE):
        test = tvm_ffi.structural_map(test, (kind, change), order="post")
    return test


def _less(low: Expr, high: Expr, analyzer: Any) -> Expr:
    """`low < high` with the numbers on the right."""
    both = analyzer.simplify(low - high)
    terms = _terms(both, 1)
    constant = sum(factor * (tir.as_const(atom) or 0) for factor, atom in terms)
    return analyzer.simplify(both - constant) < tir.const(-constant, tir.dtype_of(both))


def _sum(node: Expr, analyzer: Any) -> Expr:
    terms = _terms(node, 1)
    while (shorter := _joined(terms, analyzer)) is not None:
        terms = shorter
        node = sum((atom * factor for factor, atom in terms), tir.const(0, tir.dtype_of(node)))
    return node


def _joined(terms: list[tuple[int, Expr]], analyzer: Any) -> list[tuple[int, Expr]] | None:
    """The terms with two of them as one: `q*(x // n)` and `x // (n/q) % q` are `x // (n/q)`."""
    for high, (factor, upper) in enumerate(terms):
        extent = tir.as_const(upper.b) if isinstance(upper, FloorDiv) else None
        if extent is None:
            continue
        for low, (unit, digit) in enumerate(terms):
            lower = _remainder(digit)
            if lower is None or low == high:
                continue
            number, radix = lower
            if extent % radix or factor != unit * radix:
                continue
            whole = analyzer.simplify(FloorDiv(upper.a, extent // radix))
            apart = tir.as_const(analyzer.simplify(whole - number))
            if apart is not None and apart % radix == 0:
                rest = [term for place, term in enumerate(terms) if place not in (high, low)]
                return [*rest, (unit, whole)]
    return None


def _remainder(digit: Expr) -> tuple[Expr, int] | None:
    """`number` and `radix` of `number % radix`, as which `x % (m*q) // m` counts too."""
    if isinstance(digit, FloorMod):
        radix = tir.as_const(digit.b)
        return None if radix is None or radix < 2 else (digit.a, radix)
    if isinstance(digit, FloorDiv) and isinstance(digit.a, FloorMod):
        extent, divisor = tir.as_const(digit.a.b), tir.as_const(digit.b)
        if extent and divisor and divisor > 0 and extent % divisor == 0 and extent > divisor:
            return FloorDiv(digit.a.a, divisor), extent // divisor
    return None


def _terms(expr: Expr, factor: int) -> list[tuple[int, Expr]]:
    if isinstance(expr, (tirx.Add, tirx.Sub)):
        sign = factor if isinstance(expr, tirx.Add) else -factor
        return _terms(expr.a, factor) + _terms(expr.b, sign)
    known = tir.as_const(expr.b) if isinstance(expr, tirx.Mul) else None
    return [(factor, expr)] if known is None else _terms(expr.a, factor * known)
