"""Choices between the same expression in several spellings become that expression.

    i >= 1 ? x[16*(i - 1) + 16] : x[0]                       ->    x[16*i]
    j == 0 ? x[4*i] : j == 1 ? x[4*i + 1] : x[4*i + 2]        ->    x[4*i + j],  j < 3
    j == 0 ? 5 : j == 1 ? 7 : 9                               ->    5 + 2*j,     j < 3
    j == 0 ? 0.0 : (i == 1 ? 0.0 : 0.0)                       ->    0.0

A buffer that is filled before a loop and then by each iteration for the next is read as one
function of the iteration; the components of a vector as one function of their number.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .reroll import family
from .tensors import (
    Axis,
    Graph,
    Tensor,
    assume,
    is_choice,
    knowing,
    negated,
    outermost_choices,
    replace_choices,
    simplified,
)

LONGEST = 32  # values of a variable that a ladder of choices tells apart


def join_choices(graph: Graph) -> Graph:
    """The graph with such choices joined."""
    return graph.rewrite(joined)


def joined(expr: Expr, tensor: Tensor) -> Expr:
    """An expression of a tensor with such choices joined."""
    expr = _numbered(_without_idle(expr), tensor)
    if not outermost_choices(expr):
        return expr
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        return _rewritten(expr, tensor.all_axes, analyzer)


def _without_idle(expr: Expr) -> Expr:
    """Without choices between equals."""

    def at(node: Expr) -> Expr:
        if isinstance(node, tirx.Select):
            sides = [node.true_value, node.false_value]
        elif is_choice(node):
            sides = list(node.args[1:])
        else:
            return node
        return sides[0] if tir.same(*sides) else node

    return tvm_ffi.structural_map(expr, ((tirx.Select, tvm.ir.Call), at), order="post")


def _numbered(expr: Expr, tensor: Tensor) -> Expr:
    """With choices of numbers in equal steps by a variable as multiples of it."""
    extents = dict(tensor.all_axes)

    def at(node: Expr) -> Expr:
        found = _progression(node, extents)
        return node if found is None else found

    return tvm_ffi.structural_map(expr, (tirx.Select, at), order="pre")


def _progression(choice: Expr, extents: dict[Any, int]) -> Expr | None:
    (var, *others) = tir.variables(choice) or [None]
    extent = 0 if var is None or others else extents.get(var, 0)
    if not 1 < extent <= LONGEST or not tir.is_int(choice) or tir.has_load(choice):
        return None
    analyzer = tir.analyzer_for({})
    points = [{var: tir.const(number, tir.dtype_of(var))} for number in range(extent)]
    numbers = [tir.as_const(analyzer.simplify(tir.substitute(choice, one))) for one in points]
    known = [one for one in numbers if one is not None]
    steps = {after - before for before, after in pairwise(known)}
    if len(known) < extent or len(steps) != 1:
        return None
    dtype = tir.dtype_of(choice)
    number = var if tir.dtype_of(var) == dtype else tirx.Cast(dtype, var)
    return tir.const(known[0], dtype) + number * tir.const(steps.pop(), dtype)


def _rewritten(expr: Expr, axes: tuple[Axis, ...], analyzer: Any) -> Expr:
    choices = outermost_choices(expr)
    if not choices:
        return expr
    held = {
        tirx.Var("choice", tir.dtype_of(choice)): _choice(choice, axes, analyzer)
        for choice in choices
    }
    return tir.substitute(replace_choices(expr, choices, list(held)), held)


def _choice(choice: Expr, axes: tuple[Axis, ...], analyzer: Any) -> Expr:
    whole = _one_side(choice, axes, analyzer)
    if whole is None:
        whole = _ladder(choice, axes, analyzer)
    if whole is not None:
        return _rewritten(whole, axes, analyzer)
    test, then, other = choice.args
    sides = []
    for side, holds in ((then, test), (other, negated(test))):
        with ExitStack() as stack:
            assume(stack, holds, analyzer, axes)
            sides.append(_rewritten(side, axes, analyzer))
    if tir.same(*sides):
        return sides[0]
    return tirx.if_then_else(test, *sides)


def _one_side(choice: Expr, axes: tuple[Axis, ...], analyzer: Any) -> Expr | None:
    """The side of a choice that is also the other side wherever that is chosen."""
    test, then, other = choice.args
    if tir.has_load(test) or not _of_one_kind([then, other]):
        return None
    for side, rest, holds in ((then, other, negated(test)), (other, then, test)):
        with ExitStack() as stack:
            assume(stack, holds, analyzer, axes)
            if tir.same(simplified(analyzer, side), simplified(analyzer, rest)):
                return side
            if tir.is_int(side) and not tir.has_load(side):
                apart = tir.bounds(analyzer, analyzer.simplify(side - rest))
                if apart == (0, 0) and not tir.has_load(rest):
                    return side
    return None


def _of_one_kind(sides: list[Expr]) -> bool:
    """A cheap necessary condition: the sides read the same arrays in the same order, or are numbers
    that depend on something."""
    first, *others = ([load.source for load in tir.loads(side)] for side in sides)
    if not first and not all(tir.is_int(side) and tir.variables(side) for side in sides):
        return False
    return all(
        len(first) == len(other) and all(map(lambda a, b: a.same_as(b), first, other))
        for other in others
    )


def _ladder(choice: Expr, axes: tuple[Axis, ...], analyzer: Any) -> Expr | None:
    """The expression over a variable that a ladder of choices gives for each of its values."""
    tests, values = [], []
    rung = choice
    while is_choice(rung) and not tir.has_load(rung.args[0]):
        tests.append(rung.args[0])
        values.append(rung.args[1])
        rung = rung.args[2]
    values.append(rung)
    names = [var for test in tests for var in tir.variables(test)]
    extents = dict(axes)
    if not names or any(not var.same_as(names[0]) for var in names) or not _of_one_kind(values):
        return None
    extent = extents.get(names[0], 0)
    if not 1 < extent <= LONGEST:
        return None
    return _over(names[0], extent, tests, values, analyzer)


def _over(
    var: Var, extent: int, tests: list[Expr], values: list[Expr], analyzer: Any
) -> Expr | None:
    members = []
    for number in range(extent):
        point = {var: tir.const(number, tir.dtype_of(var))}
        holds = [tir.as_const(analyzer.simplify(tir.substitute(test, point))) for test in tests]
        if None in holds:
            return None
        chosen = next(
            (value for hold, value in zip(holds, values, strict=False) if hold), values[-1]
        )
        members.append(tir.substitute(chosen, point))
    return family(members, var, analyzer)
