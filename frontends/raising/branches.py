"""Branches on data of which both sides store to one element, as one store of a choice.

if (x[i] > 0) y[i] = a; else y[i] = b;     ->    y[i] = x[i] > 0 ? a : b;
"""

from __future__ import annotations

from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir

from ..program import Body, Branch, Loop, Program, Statement, Store, While


def join_branches(program: Program) -> Program:
    """The program with such branches as stores."""
    return replace(program, body=_body(program.body))


def _body(body: Body) -> Body:
    return tuple(map(_statement, body))


def _statement(statement: Statement) -> Statement:
    if isinstance(statement, (Loop, While)):
        return replace(statement, body=_body(statement.body))
    if not isinstance(statement, Branch):
        return statement
    then, other = _body(statement.then), _body(statement.other)
    if tir.has_load(statement.test) and len(then) == 1 and len(other) == 1:
        joined = _joined(statement, then[0], other[0])
        if joined is not None:
            return joined
    return replace(statement, then=then, other=other)


def _joined(branch: Branch, first: Statement, second: Statement) -> Store | None:
    if not isinstance(first, Store) or not isinstance(second, Store):
        return None
    alike = first.buffer.same_as(second.buffer) and first.atomic == second.atomic
    if not alike or not tir.same(first.index, second.index):
        return None
    value = tirx.if_then_else(branch.test, first.value, second.value)
    return replace(first, value=value)
