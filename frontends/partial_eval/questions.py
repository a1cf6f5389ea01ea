"""Questions about the kernel IR and about values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr

from .. import ir
from ..values import Address, Number


def walk(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif is_dataclass(node) and not isinstance(node, (Span, ir.Struct)):
        yield node
        for item in fields(node):
            yield from walk(getattr(node, item.name))


def inside_loops(node: Any) -> Iterator[Any]:
    """Like `walk`, without going into nested loops, lambdas or switches."""
    if isinstance(node, tuple):
        for item in node:
            yield from inside_loops(item)
    elif is_dataclass(node) and not isinstance(node, (Span, ir.Loop, ir.Lambda, ir.Switch)):
        yield node
        for item in fields(node):
            yield from inside_loops(getattr(node, item.name))


def may_exit(node: Any) -> bool:
    """Whether control may leave the statement other than by its end."""
    return has_return(node) or any(
        isinstance(n, (ir.Break, ir.Continue)) for n in inside_loops(node)
    )


def has_return(node: Any) -> bool:
    if isinstance(node, ir.Lambda):
        return False
    if isinstance(node, tuple):
        return any(map(has_return, node))
    if isinstance(node, ir.Return):
        return True
    if is_dataclass(node) and not isinstance(node, Span):
        return any(has_return(getattr(node, item.name)) for item in fields(node))
    return False


def has_break(body: ir.Stmt) -> bool:
    return any(isinstance(n, ir.Break) for n in inside_loops(body))


def has_continue(body: ir.Stmt) -> bool:
    return any(isinstance(n, ir.Continue) for n in inside_loops(body))


def returns_once(body: ir.Block) -> bool:
    """Whether the only return is the last statement."""
    flat = flattened(body.body)
    return bool(flat) and isinstance(flat[-1], ir.Return) and not any(map(has_return, flat[:-1]))


def flattened(body: tuple[ir.Stmt, ...]) -> list[ir.Stmt]:
    flat: list[ir.Stmt] = []
    for statement in body:
        flat += flattened(statement.body) if isinstance(statement, ir.Block) else [statement]
    return flat


def without_breaks(body: list[ir.Stmt]) -> list[ir.Stmt]:
    """Statements of a switch up to the break that leaves it, which becomes nesting."""
    kept: list[ir.Stmt] = []
    for position, statement in enumerate(body):
        rest = body[position + 1 :]
        if isinstance(statement, ir.Break):
            return kept
        if isinstance(statement, ir.Block):
            return [*kept, *without_breaks([*statement.body, *rest])]
        if isinstance(statement, ir.If) and has_break(statement):
            span = statement.span
            then = ir.Block(tuple(without_breaks([statement.then, *rest])), span)
            other = [statement.other, *rest] if statement.other else rest
            side = ir.Block(tuple(without_breaks(other)), span)
            return [*kept, ir.If(statement.test, then, side, span)]
        kept.append(statement)
        if isinstance(statement, (ir.Return, ir.Continue)):
            return kept
    return kept


def replace_last(chain: ir.Stmt, default: ir.Stmt, span: Span) -> ir.Stmt:
    if isinstance(chain, ir.If) and chain.other is not None:
        return ir.If(chain.test, chain.then, replace_last(chain.other, default, span), chain.span)
    return default


def scalar_of(kind: ir.Type) -> str | None:
    """The one element type of an object, or `None` where it is mixed."""
    if isinstance(kind, ir.ArrayType):
        return scalar_of(kind.of)
    if isinstance(kind, ir.Struct):
        found = {scalar_of(of) for _, of in kind.fields}
        return found.pop() if len(found) == 1 else None
    if isinstance(kind, ir.Vector):
        return kind.of.dtype
    return kind.dtype if isinstance(kind, ir.Arithmetic) else None


def flattened_array(kind: ir.ArrayType) -> ir.ArrayType:
    """An array of arrays as one array of all their elements."""
    count, inner, span = 1, kind, Span("", 1, 1)
    while isinstance(inner, ir.ArrayType):
        assert isinstance(inner.extent, ir.Literal)
        count, span = count * int(inner.extent.value), inner.extent.span
        inner = inner.of  # type: ignore[assignment]
    return ir.ArrayType(inner, ir.Literal(count, "int32", span))


def is_constant(value: Number) -> bool:
    return isinstance(value.expr, (tirx.IntImm, tirx.FloatImm))


def is_kept(expr: Expr) -> bool:
    """Whether an integer may live as an expression: no store changes it, and it stays small.

    What a hash makes of a thread's number doubles with every step.
    """
    return not tir.has_load(expr) and not tir.is_large(expr)


def reads_buffer(expr: Expr, buffer: Buffer) -> bool:
    return any(load.source.same_as(buffer) for load in tir.loads(expr))


def same_value(a: Any, b: Any) -> bool:
    if isinstance(a, Number) and isinstance(b, Number):
        return tir.same(a.expr, b.expr)
    if isinstance(a, Address) and isinstance(b, Address):
        return bool(a.buffer.same_as(b.buffer)) and tir.same(a.offset, b.offset)
    return False
