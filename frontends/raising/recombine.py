"""Digits of one number that stand apart, put together again.

    (f + 20) // 16 * 16 + (f + 4) % 16      ->    f + 20
    x // 16 * 4 + x // 4 % 4                ->    x // 4

TVM's simplifier puts digits together where both are of the very same number, but brings constants
into range first: `(f + 20) % 16` is `(f + 4) % 16` by then.
"""

from __future__ import annotations

from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.comparisons import terms_of
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


def _sum(node: Expr, analyzer: Any) -> Expr:
    terms = terms_of(node)
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
            if lower is None or low == high or tir.dtype_of(upper) != tir.dtype_of(digit):
                continue
            number, radix = lower
            if extent % radix or factor != unit * radix:
                continue
            shorter = tir.const(extent // radix, tir.dtype_of(upper.a))
            whole = analyzer.simplify(FloorDiv(upper.a, shorter))
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
            return FloorDiv(digit.a.a, digit.b), extent // divisor
    return None
