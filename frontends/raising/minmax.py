"""Tests against the smaller or larger of two numbers, as two tests.

    max(64*core, 16) + i < 80                      ->    64*core + i < 80 and 16 + i < 80
    i < (core == 1 ? 5120 - 4096*core : 4096)      ->    i < 5120 - 4096*core and i < 4096
    0 < (core < 3 ? 1 : 0)                         ->    core < 3

So the last of several parts of an array, which is shorter, looks like the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from .proving import proved
from .tensors import negated


def parts_of(test: Expr, analyzer: Any) -> list[Expr]:
    """Tests that hold together exactly where `test` does."""
    if isinstance(test, tirx.And):
        return parts_of(test.a, analyzer) + parts_of(test.b, analyzer)
    if not isinstance(test, (tirx.LT, tirx.LE)) or tir.has_load(test) or not tir.is_int(test.a):
        return [test]
    for sign, node in (*_terms(test.a, 1), *_terms(test.b, -1)):
        sides = _both(node, sign, analyzer)
        if sides is not None:
            parts = [analyzer.simplify(_with(test, node, side)) for side in sides]
        else:
            parts = _only(test, node, analyzer)
        if parts:
            return [one for part in parts for one in parts_of(part, analyzer)]
    return [test]


def _only(test: Expr, node: Expr, analyzer: Any) -> list[Expr]:
    """The tests that hold together where one side of a choice in `test` never passes it; none
    where both may."""
    if not isinstance(node, tirx.Select):
        return []
    for holds, passes, fails in (
        (node.condition, node.true_value, node.false_value),
        (negated(node.condition), node.false_value, node.true_value),
    ):
        if tir.as_const(analyzer.simplify(_with(test, node, fails))) == 0:
            return [holds, analyzer.simplify(_with(test, node, passes))]
    return []


def _terms(expr: Expr, sign: int) -> Iterator[tuple[int, Expr]]:
    """What a sum is made of, with the signs of its factors."""
    if isinstance(expr, (tirx.Add, tirx.Sub)):
        yield from _terms(expr.a, sign)
        yield from _terms(expr.b, sign if isinstance(expr, tirx.Add) else -sign)
    elif isinstance(expr, tirx.Mul) and tir.as_const(expr.b):
        yield from _terms(expr.a, sign * (tir.as_const(expr.b) or 0))
    else:
        yield sign, expr


def _both(node: Expr, sign: int, analyzer: Any) -> tuple[Expr, Expr] | None:
    """The numbers of which `node` is the one that a test `sign*node < …` holds for last."""
    if isinstance(node, tirx.Max if sign > 0 else tirx.Min):
        return node.a, node.b
    if not isinstance(node, tirx.Select):
        return None
    then, other = node.true_value, node.false_value
    for chosen, rest, holds in (
        (then, other, node.condition),
        (other, then, negated(node.condition)),
    ):
        beyond = chosen >= rest if sign > 0 else chosen <= rest
        if not proved(tirx.Or(negated(holds), beyond), analyzer):
            return None
    return then, other


def _with(test: Expr, old: Expr, new: Expr) -> Expr:
    return tvm_ffi.structural_map(
        test, (type(old), lambda node: new if tir.same(node, old) else node), order="pre"
    )
