"""The flat program: sequential statements over flat buffers, each with its span.

Expressions are TVM's; statements are ours, so that passes stay short and spans are never lost.
`to_prim_func` turns a program into an executable PrimFunc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import tvm
from tvm import tirx

from xpiler_tvm.errors import Span
from xpiler_tvm.kernel import Param
from xpiler_tvm.tir import Buffer, Expr, Var


@dataclass(frozen=True, eq=False)
class Store:
    """`buffer[index] = value`; `atomic` marks a read-modify-write that threads may share.

    It is `indivisible` where it is part of any atomic operation, also of one whose order matters;
    only in a thread's own program.
    """

    buffer: Buffer
    index: Expr
    value: Expr
    span: Span
    atomic: bool = False
    indivisible: bool = False


@dataclass(frozen=True, eq=False)
class Loop:
    """`for var in range(extent)`; iterations of a `parallel` loop do not depend on each other."""

    var: Var
    extent: Expr
    body: Body
    parallel: bool
    span: Span


@dataclass(frozen=True, eq=False)
class Branch:
    """`if test`; `early` where the side without the barriers has left the kernel."""

    test: Expr
    then: Body
    other: Body
    span: Span
    early: bool = False


@dataclass(frozen=True, eq=False)
class While:
    test: Expr
    body: Body
    span: Span


@dataclass(frozen=True, eq=False)
class Alloc:
    """A buffer that lives through the rest of the statement list."""

    buffer: Buffer
    span: Span


@dataclass(frozen=True, eq=False)
class Barrier:
    """Every thread of the block (of the warp, for a shuffle) arrives before any goes on.

    So many consecutive `lanes` then see each other's stores: a shuffle orders nobody's memory.
    Only in a thread's own program.
    """

    span: Span
    warp: bool = False
    lanes: int = 1


@dataclass(frozen=True, eq=False)
class Region:
    """Statements that raising leaves as they are. It means what they mean."""

    body: Body
    span: Span


Statement = Store | Loop | Branch | While | Alloc | Barrier | Region
Body = tuple[Statement, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """A kernel as sequential statements.

    `params` pairs each unbound parameter with its flat buffer or scalar variable; bound scalars
    have been folded in. `assumptions` are what the reading rests on, in words.
    """

    name: str
    params: tuple[tuple[Param, Any], ...]
    body: Body
    assumptions: tuple[str, ...] = field(default=())


def barriers(statement: Statement) -> list[Barrier]:
    """The barriers in a statement, in order."""
    if isinstance(statement, Barrier):
        return [statement]
    inner: Body = ()
    if isinstance(statement, (Loop, While, Region)):
        inner = statement.body
    elif isinstance(statement, Branch):
        inner = (*statement.then, *statement.other)
    return [found for part in inner for found in barriers(part)]


def holds_barrier(statement: Statement) -> bool:
    return bool(barriers(statement))


def map_body(
    body: Body, expr: Callable[[Expr], Expr], buffer: Callable[[Buffer], Buffer] = lambda b: b
) -> Body:
    """Statements with every expression and every buffer replaced."""
    return tuple(_mapped(statement, expr, buffer) for statement in body)


def _mapped(
    statement: Statement, expr: Callable[[Expr], Expr], buffer: Callable[[Buffer], Buffer]
) -> Statement:
    if isinstance(statement, Store):
        index, value = expr(statement.index), expr(statement.value)
        return replace(statement, buffer=buffer(statement.buffer), index=index, value=value)
    if isinstance(statement, Loop):
        body = map_body(statement.body, expr, buffer)
        return replace(statement, extent=expr(statement.extent), body=body)
    if isinstance(statement, Branch):
        then, other = (
            map_body(statement.then, expr, buffer),
            map_body(statement.other, expr, buffer),
        )
        return replace(statement, test=expr(statement.test), then=then, other=other)
    if isinstance(statement, While):
        return replace(
            statement, test=expr(statement.test), body=map_body(statement.body, expr, buffer)
        )
    if isinstance(statement, Region):
        return replace(statement, body=map_body(statement.body, expr, buffer))
    if isinstance(statement, Alloc):
        return replace(statement, buffer=buffer(statement.buffer))
    return statement


def map_bodies(statement: Statement, change: Callable[[Body], Body]) -> Statement:
    """The statement with `change` of the bodies that it holds."""
    if isinstance(statement, (Loop, While, Region)):
        return replace(statement, body=change(statement.body))
    if isinstance(statement, Branch):
        return replace(statement, then=change(statement.then), other=change(statement.other))
    return statement


def expressions(body: Body) -> list[Expr]:
    """The expressions of statements, in the order in which `map_body` replaces them."""
    found: list[Expr] = []

    def note(expr: Expr) -> Expr:
        found.append(expr)
        return expr

    map_body(body, note)
    return found


def statements(body: Body) -> Iterator[Statement]:
    """All statements of a body, those inside others behind these."""
    for statement in body:
        yield statement
        if isinstance(statement, (Loop, While, Region)):
            yield from statements(statement.body)
        elif isinstance(statement, Branch):
            yield from statements((*statement.then, *statement.other))


def to_prim_func(program: Program) -> Any:
    """The program as a PrimFunc of plain loops over flat buffers."""
    body = to_stmt(program.body)
    params = [place for _, place in program.params]
    attrs = {"global_symbol": "main", "tirx.noalias": True}
    return tirx.PrimFunc(params, body).with_attr(attrs)


def to_stmt(body: Body) -> Any:
    """Statements as one TIR statement."""
    parts = [_statement(statement) for statement in body]
    if not parts:
        return tirx.Evaluate(tirx.const(0, "int32"))
    return parts[0] if len(parts) == 1 else tirx.SeqStmt(parts)


def _statement(statement: Statement) -> Any:
    if isinstance(statement, Store):
        return tirx.BufferStore(statement.buffer, statement.value, [statement.index])
    if isinstance(statement, Loop):
        zero = tirx.const(0, str(statement.var.ty.dtype))
        return tirx.For(
            statement.var, zero, statement.extent, tirx.ForKind.SERIAL, to_stmt(statement.body)
        )
    if isinstance(statement, Branch):
        other = to_stmt(statement.other) if statement.other else None
        return tirx.IfThenElse(statement.test, to_stmt(statement.then), other)
    if isinstance(statement, While):
        return tirx.While(statement.test, to_stmt(statement.body))
    if isinstance(statement, Region):
        return to_stmt(statement.body)
    if isinstance(statement, Alloc):
        return tirx.AllocBuffer(statement.buffer)
    raise TypeError(f"{type(statement).__name__} has no sequential form")


def to_module(program: Program) -> tvm.IRModule:
    return tvm.IRModule({"main": to_prim_func(program)})
