"""Indices that tell the values of their variables: numbers in mixed radix, also of symbolic sizes.

i*n + j  where 0 <= j < n    tells i and j
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.invert import Axis, injective
from xpiler_tvm.tir import Expr, Var

from .accesses import Around
from .solver import Solver


def told_apart(index: Expr, names: Sequence[Var], around: Around, solver: Solver) -> bool:
    """Whether different values of the variables, at the place, give different indices."""
    axes = [(var, solver.most(var)) for var in names]
    with solver.within(around) as analyzer:
        if injective(analyzer.simplify(index), axes, analyzer):
            return True
    return any(_by_size(index, axes, size, around, solver) for size in solver.sizes)


def _by_size(index: Expr, axes: Sequence[Axis], size: Var, around: Around, solver: Solver) -> bool:
    """The same by splitting the index into multiples of a size and a rest that is below it."""
    names = [var for var, _ in axes]
    if not names or not tir.uses(index, [size]):
        return False
    found = list(sym.detect_linear_equation(index, names))
    if not found or tir.uses(found[-1], names):
        return False
    rows, columns = tir.const(0, "int32"), tir.const(0, "int32")
    row_names: list[Var] = []
    column_names: list[Var] = []
    for name, coefficient in zip(names, found, strict=False):
        if tir.uses(coefficient, [size]):
            factor = solver.analyzer.simplify(tirx.floordiv(coefficient, size))
            if not solver.analyzer.can_prove_equal(factor * size, coefficient):
                return False
            rows, row_names = rows + name * factor, [*row_names, name]
        else:
            columns, column_names = columns + name * coefficient, [*column_names, name]
    if not row_names:
        return False
    if solver.holds(tirx.And(columns >= 0, columns < size), around).verdict != "proved":
        return False
    return told_apart(rows, row_names, around, solver) and (
        told_apart(columns, column_names, around, solver)
    )


__all__ = ["told_apart"]
