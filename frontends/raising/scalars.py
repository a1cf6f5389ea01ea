"""Local arrays of which every index is a constant, as one local for each element.

float acc[4]; … acc[0] … acc[3]    ->    float acc0, acc1, acc2, acc3;
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from ..program import Alloc, Body, Branch, Loop, Program, Store, While, statements


def scalarise(program: Program) -> Program:
    """The program with a buffer for each element of such arrays."""
    small = {
        statement.buffer
        for statement in statements(program.body)
        if isinstance(statement, Alloc)
        and statement.buffer.scope() == "local"
        and int(statement.buffer.shape[0]) > 1
    }
    for buffer, index in _accesses(program.body):
        place = tir.as_const(index)
        if buffer in small and (place is None or not 0 <= place < int(buffer.shape[0])):
            small.discard(buffer)  # beyond its end where no guard lets it come to that
    if not small:
        return program
    parts: dict[tuple[Buffer, int], Buffer] = {}
    for buffer in small:
        for number in range(int(buffer.shape[0])):
            name = f"{buffer.name}{number}"
            parts[buffer, number] = tirx.decl_buffer((1,), buffer.dtype, name, scope="local")
    return replace(program, body=_rewritten(program.body, small, parts))


def _accesses(body: Body) -> Iterator[tuple[Buffer, Expr]]:
    for statement in statements(body):
        exprs: tuple[Expr, ...] = ()
        if isinstance(statement, Store):
            yield statement.buffer, statement.index
            exprs = (statement.index, statement.value)
        elif isinstance(statement, Loop):
            exprs = (statement.extent,)
        elif isinstance(statement, (Branch, While)):
            exprs = (statement.test,)
        for expr in exprs:
            for load in tir.loads(expr):
                yield load.source, load.indices[0]


def _rewritten(body: Body, small: set[Buffer], parts: dict[tuple[Buffer, int], Buffer]) -> Body:
    zero = tir.const(0, "int32")

    def part(buffer: Buffer, index: Expr) -> Buffer:
        return parts[buffer, tir.as_const(index) or 0]

    def expr(old: Expr) -> Expr:
        def change(load: Expr) -> Expr:
            return part(load.source, load.indices[0])[zero] if load.source in small else load

        return tir.map_loads(old, change)

    done: list[object] = []
    for statement in body:
        if isinstance(statement, Alloc) and statement.buffer in small:
            count = int(statement.buffer.shape[0])
            done += [Alloc(parts[statement.buffer, k], statement.span) for k in range(count)]
        elif isinstance(statement, Store):
            value = expr(statement.value)
            if statement.buffer in small:
                buffer = part(statement.buffer, statement.index)
                done.append(replace(statement, buffer=buffer, index=zero, value=value))
            else:
                done.append(replace(statement, index=expr(statement.index), value=value))
        elif isinstance(statement, Loop):
            inner = _rewritten(statement.body, small, parts)
            done.append(replace(statement, extent=expr(statement.extent), body=inner))
        elif isinstance(statement, Branch):
            then = _rewritten(statement.then, small, parts)
            other = _rewritten(statement.other, small, parts)
            done.append(replace(statement, test=expr(statement.test), then=then, other=other))
        elif isinstance(statement, While):
            inner = _rewritten(statement.body, small, parts)
            done.append(replace(statement, test=expr(statement.test), body=inner))
        else:
            done.append(statement)
    return tuple(done)  # type: ignore[arg-type]
