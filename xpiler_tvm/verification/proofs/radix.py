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


def told_apart(
    index: Expr, who: Sequence[Var], around: Around, solver: Solver, alike: Sequence[Var] = ()
) -> bool:
    """Whether different values of the variables in `who`, at the place, give different indices.

    Those in `alike` are the same for both, as scalars are; others are loops', each with its own.
    """
    names = dict.fromkeys(who)
    for var in tir.variables(index):
        if var in alike or var in solver.scalars:
            continue
        if var not in solver.extents:  # what memory holds may be the same, or make up for the rest
            return False
        names[var] = None
    return _told_apart(index, [(var, solver.most(var)) for var in names], around, solver)


def _told_apart(index: Expr, axes: Sequence[Axis], around: Around, solver: Solver) -> bool:
    with solver.within(around) as analyzer:
        if injective(analyzer.simplify(index), list(axes), analyzer):
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
    row_axes: list[Axis] = []
    column_axes: list[Axis] = []
    for (name, most), coefficient in zip(axes, found, strict=False):
        if tir.uses(coefficient, [size]):
            factor = solver.analyzer.simplify(tirx.floordiv(coefficient, size))
            if not solver.analyzer.can_prove_equal(factor * size, coefficient):
                return False
            rows = rows + name * factor
            row_axes.append((name, most))
        else:
            columns = columns + name * coefficient
            column_axes.append((name, most))
    if not row_axes:
        return False
    if solver.holds(tirx.And(columns >= 0, columns < size), around).verdict != "proved":
        return False
    return _told_apart(rows, row_axes, around, solver) and (
        _told_apart(columns, column_axes, around, solver)
    )


__all__ = ["told_apart"]
