"""What becomes of C's integers: no index leaves its type, and divisions round as C's do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.arithmetic import Division, Operation
from xpiler_tvm.frontends.values import INT32
from xpiler_tvm.tir import Expr, Var

from .accesses import Around, Trace
from .bounds import shown
from .obligation import Obligation
from .solver import PROVED, Answer, Solver, both

_MAY_OVERFLOW = (tirx.Add, tirx.Sub, tirx.Mul)


def overflow(trace: Trace, solver: Solver) -> Iterator[Obligation]:
    """One obligation for each index, test and trip count of the flat program."""
    seen: set[tuple[int, Around]] = set()
    places = [
        *((access.index, access.around, access.span) for access in trace.accesses),
        *((number.expr, number.around, number.span) for number in trace.numbers),
    ]
    for expr, around, span in places:
        key = int(tvm_ffi.structural_hash(expr, map_free_vars=False)), around
        if key in seen or not _parts(expr):
            continue
        seen.add(key)
        yield _fits(expr, around, span, solver)


def operations(found: Iterable[Operation], solver: Solver) -> Iterator[Obligation]:
    """One obligation for each place where C computes in `int` what no memory is read for, as it is
    written: what was made of it may be too simple to leave the type."""
    places: dict[tuple[Span, str], list[Operation]] = {}
    for operation in found:
        places.setdefault((operation.span, operation.op), []).append(operation)
    for (span, op), all_ in places.items():
        answer, part = PROVED, None
        for operation in all_:
            if operation.expr is not None and answer.verdict == "proved":
                part = operation.expr
                answer = _made_inside(part, operation.tests, solver)
        yield _obligation(f"{op!r} as written", part, answer, span)


def _made_inside(expr: Expr, tests: tuple[Expr, ...], solver: Solver) -> Answer:
    """Whether an operation fits, in the loops that its variables are of."""
    names = [var for part in (expr, *tests) for var in tir.variables(part)]
    loops: dict[Var, Expr] = {}
    for var in names:
        extent = solver.extents.get(var)
        if extent is None and var not in solver.scalars:
            return Answer("unknown", detail=f"what becomes of {var.name} is not known")
        if extent is not None and var not in loops:
            loops[var] = tir.as_expr(extent)
            names += tir.variables(loops[var])
    return _part_fits(expr, Around(tuple(loops.items()), tests), solver)


def _fits(expr: Expr, around: Around, span: Span, solver: Solver) -> Obligation:
    answer = PROVED
    for part in _parts(expr):
        low, high = solver.bounds(part)
        if INT32[0] <= low and high <= INT32[1]:
            continue
        answer = _part_fits(part, around, solver)
        if answer.verdict != "proved":
            break
    return _obligation(str(expr), part, answer, span)


def _obligation(subject: str, part: Expr, answer: Answer, span: Span) -> Obligation:
    detail = answer.detail
    if answer.verdict == "refuted":
        detail = f"{part} leaves int for {shown(answer.values)}"
    return Obligation("overflow", subject, answer.verdict, answer.by, detail, answer.values, span)


def _part_fits(part: Expr, around: Around, solver: Solver) -> Answer:
    with solver.within(around):
        low, high = solver.bounds(part)
    if INT32[0] <= low and high <= INT32[1]:
        return PROVED
    wide = _widened(part)
    least, most = (tir.const(value, "int64") for value in INT32)
    return both(solver.holds(wide >= least, around), solver.holds(wide <= most, around))


def _widened(part: Expr) -> Expr:
    """The operation in int64, where it can leave int."""
    sides = (tirx.Cast("int64", part.a), tirx.Cast("int64", part.b))
    return type(part)(*sides)


def _parts(expr: Expr) -> list[Expr]:
    """The operations in an expression that are made in `int` and may leave it, inner ones first."""
    found: list[Expr] = []

    def visit(node: Expr) -> None:
        if tir.dtype_of(node) == "int32":
            found.append(node)

    tvm_ffi.structural_walk(expr, [(kind, visit) for kind in _MAY_OVERFLOW], order="post")
    return found


def divisions(found: Iterable[Division]) -> Iterator[Obligation]:
    """One obligation for each place where C divides: either the division is C's, or it rounds
    down and the reader has proved that the dividend is not below zero and the divisor above it."""
    places: dict[tuple[Span, str], bool] = {}
    for division in found:
        key = division.span, division.op
        places[key] = places.get(key, False) or division.floored
    for (span, op), floored in places.items():
        what = "rounds down, of numbers not below zero" if floored else "is C's, which truncates"
        yield Obligation("division", f"{op!r} {what}", "proved", "reading", span=span)


__all__ = ["divisions", "operations", "overflow"]
