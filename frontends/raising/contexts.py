"""A pass over the expressions of a program that needs to know where each of them stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..program import Body, Branch, Loop, Program, Statement, Store, While
from .tensors import Axis, knowing

Change = Callable[[Expr, Any], Expr]


def map_expressions(program: Program, change: Change) -> Program:
    """`change(expression, analyzer)` in place of each index, value, extent and test; the analyzer
    knows the ranges of the loops and the tests on the way."""
    return replace(program, body=_body(program.body, change, (), ()))


def _body(body: Body, change: Change, axes: tuple[Axis, ...], tests: tuple[Expr, ...]) -> Body:
    with knowing(axes, tests) as analyzer:
        return tuple(_statement(each, change, axes, tests, analyzer) for each in body)


def _statement(
    statement: Statement,
    change: Change,
    axes: tuple[Axis, ...],
    tests: tuple[Expr, ...],
    analyzer: Any,
) -> Statement:
    if isinstance(statement, Store):
        index, value = change(statement.index, analyzer), change(statement.value, analyzer)
        return replace(statement, index=index, value=value)
    if isinstance(statement, Loop):
        extent = change(statement.extent, analyzer)
        known = tir.as_const(extent)
        inner = axes if known is None else (*axes, (statement.var, known))
        return replace(statement, extent=extent, body=_body(statement.body, change, inner, tests))
    if isinstance(statement, While):
        return replace(statement, body=_body(statement.body, change, axes, tests))
    if isinstance(statement, Branch):
        test = change(statement.test, analyzer)
        holds = [part for part in tir.conjuncts(test) if not tir.has_load(part)]
        then = _body(statement.then, change, axes, (*tests, *holds))
        other = _body(statement.other, change, axes, tests)
        return replace(statement, test=test, then=then, other=other)
    return statement
