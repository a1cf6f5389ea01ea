"""Comparisons of integers without divisions.

    16*i + x // 4 < 17    ->    64*i + x < 68

TVM's simplifier divides a test by what its numbers have in common; what comes out has divisions
where there were none.
"""

from __future__ import annotations

from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv

from . import tir
from .tir import Expr


def undivided(test: Expr, analyzer: Any) -> Expr:
    """A test with its comparisons multiplied out, where each has one quotient: `floor(x / d) < m`
    holds for the integers x < d*m."""

    def change(node: Expr) -> Expr:
        if not tir.is_int(node.a) or tir.has_load(node):
            return node
        terms = [*terms_of(node.a, 1), *terms_of(node.b, -1)]
        quotients = [term for term in terms if isinstance(term[1], FloorDiv)]
        if len(quotients) != 1 or abs(quotients[0][0]) != 1:
            return node
        ((sign, quotient),) = quotients
        divisor = tir.as_const(quotient.b)
        zero = tir.const(0, tir.dtype_of(node.a))
        rest = sum((atom * factor for factor, atom in terms if atom is not quotient), zero)
        if divisor is None or divisor < 2 or not _has_room(rest, divisor, quotient.a, analyzer):
            return node
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


def _has_room(rest: Expr, divisor: int, number: Expr, analyzer: Any) -> bool:
    """Whether `(rest + 1)*divisor` and `number` differ by what 32 bits hold."""
    reach = [max(map(abs, tir.bounds(analyzer, one))) for one in (rest, number)]
    return (reach[0] + 1) * divisor + reach[1] <= tir.INT32_MAX


def _less(low: Expr, high: Expr, analyzer: Any) -> Expr:
    """`low < high` with the numbers on the right."""
    both = analyzer.simplify(low - high)
    constant = sum(factor * (tir.as_const(atom) or 0) for factor, atom in terms_of(both))
    return analyzer.simplify(both - constant) < tir.const(-constant, tir.dtype_of(both))


def terms_of(expr: Expr, factor: int = 1) -> list[tuple[int, Expr]]:
    """A sum, `factor` times, as constant factors and what they multiply."""
    if isinstance(expr, (tirx.Add, tirx.Sub)):
        sign = factor if isinstance(expr, tirx.Add) else -factor
        return terms_of(expr.a, factor) + terms_of(expr.b, sign)
    known = tir.as_const(expr.b) if isinstance(expr, tirx.Mul) else None
    return [(factor, expr)] if known is None else terms_of(expr.a, factor * known)
