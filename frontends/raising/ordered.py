"""A recurrence as the inside of a block: its states in local memory, its steps a serial loop.

s = init; for t: { s = f(s, x[t]); y[t] = s }
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Alloc, Loop, map_body, statements, to_stmt
from .slices import needed, renamed, without_allocs
from .tensors import Axis, Cell, Recurrence, Tensor, rewritten

Stores = Callable[[Mapping[Var, Expr]], Any]


def ordered_body(
    tensor: Tensor, target: Buffer, point: list[Expr], tests: Iterable[Expr] = ()
) -> tuple[Any, list[Buffer]]:
    """Statements that give `target[point]` the tensor's elements, and the local memory they use.

    The tensor's spatial axes are free variables of the statements. Elements for which the `tests`
    fail keep what they hold.
    """
    tests = tuple(tests)
    assert tensor.recurrence is not None
    if tensor.recurrence.body:
        return _run(tensor, tensor.recurrence, target, point, tests)
    tensor = _with_own_memory(tensor)
    recurrence = tensor.recurrence
    assert recurrence is not None
    following = {
        cell.buffer: tirx.decl_buffer(
            cell.buffer.shape, cell.buffer.dtype, f"{cell.buffer.name}_next", scope="local"
        )
        for number, cell in enumerate(recurrence.states)
        if _is_read_late(cell, number, recurrence)
    }
    steps, elements = _own_axes(tensor, recurrence)

    def result(names: Mapping[Var, Expr]) -> Any:
        def store(own: Mapping[Var, Expr]) -> Any:
            done = _store(target, tensor.value, point, {**names, **own})
            for test in reversed(tests):
                done = tirx.IfThenElse(tir.substitute(test, {**names, **own}), done, None)
            return done

        return _nest(elements, store)

    def step(names: Mapping[Var, Expr]) -> Any:
        done = [
            _nest(cell.axes, _cell_store(cell, following.get(cell.buffer, cell.buffer), names))
            for cell in recurrence.cells
        ]
        for cell in recurrence.states:
            if cell.buffer in following:
                copied = following[cell.buffer][_point(cell)]
                done.append(_nest(cell.axes, _cell_store(cell, cell.buffer, names, copied)))
        return _sequence([*done, result(names)] if steps else done)

    body = [
        _nest(cell.axes, _cell_store(cell, cell.buffer, {}, cell.init))
        for cell in recurrence.states
    ]
    body.append(_nest(recurrence.axes, step))
    if not steps:
        body.append(result({}))
    return _sequence(body), [*(cell.buffer for cell in recurrence.cells), *following.values()]


def _run(
    tensor: Tensor,
    recurrence: Recurrence,
    target: Buffer,
    point: list[Expr],
    tests: tuple[Expr, ...],
) -> tuple[Any, list[Buffer]]:
    """`ordered_body` where the steps are statements: these, and then the elements they leave."""
    body = needed(recurrence.body, [load.source for load in tir.loads(tensor.value)])
    memory = {
        one.buffer: tirx.decl_buffer(
            one.buffer.shape, one.buffer.dtype, one.buffer.name, scope="local"
        )
        for one in statements(body)
        if isinstance(one, Alloc)
    }
    names = {
        one.var: tirx.Var(one.var.name, "int32")
        for one in statements(body)
        if isinstance(one, Loop)
    }

    def moved(expr: Expr) -> Expr:
        expr = tir.map_loads(
            expr, lambda load: memory.get(load.source, load.source)[tuple(load.indices)]
        )
        return tir.substitute(expr, names)

    def store(own: Mapping[Var, Expr]) -> Any:
        done = _store(target, moved(tensor.value), point, own)
        for test in reversed(tests):
            done = tirx.IfThenElse(tir.substitute(moved(test), own), done, None)
        return done

    own = {var for var, _ in recurrence.elements}
    elements = [axis for axis in tensor.axes if axis[0] in own]
    inside = map_body(without_allocs(body), moved, lambda buffer: memory.get(buffer, buffer))
    steps = to_stmt(renamed(inside, names))
    return _sequence([steps, _nest(elements, store)]), list(memory.values())


def _with_own_memory(tensor: Tensor) -> Tensor:
    """The tensor with cells of its own: others may be of the same recurrence."""
    assert tensor.recurrence is not None
    own = {
        cell.buffer: tirx.decl_buffer(
            cell.buffer.shape, cell.buffer.dtype, cell.buffer.name, scope="local"
        )
        for cell in tensor.recurrence.cells
    }

    def moved(expr: Expr, _: Tensor) -> Expr:
        return tir.map_loads(
            expr, lambda load: own.get(load.source, load.source)[tuple(load.indices)]
        )

    tensor = rewritten(tensor, moved)
    assert tensor.recurrence is not None
    cells = tensor.recurrence.map_cells(lambda cell: replace(cell, buffer=own[cell.buffer]))
    return replace(tensor, recurrence=cells)


def _own_axes(tensor: Tensor, recurrence: Recurrence) -> tuple[list[Axis], list[Axis]]:
    """Of the tensor's own axes, those that are steps, and those of a state's elements."""
    ordered = {var for var, _ in recurrence.axes}
    inside = set(recurrence.variables) - ordered
    steps = [axis for axis in tensor.axes if axis[0] in ordered]
    return steps, [axis for axis in tensor.axes if axis[0] in inside]


def _is_read_late(state: Cell, number: int, recurrence: Recurrence) -> bool:
    """Whether a state's value before the step is still needed when it has a new one."""
    own = _point(state)
    for load in tir.loads(state.value):
        if load.source.same_as(state.buffer) and not all(map(tir.same, load.indices, own)):
            return True
    return any(
        load.source.same_as(state.buffer)
        for later in recurrence.states[number + 1 :]
        for load in tir.loads(later.value)
    )


def _point(cell: Cell) -> tuple[Expr, ...]:
    return tuple(var for var, _ in cell.axes) or (tir.const(0, "int32"),)


def _cell_store(
    cell: Cell, buffer: Buffer, names: Mapping[Var, Expr], value: Expr | None = None
) -> Stores:
    return lambda own: _store(
        buffer, cell.value if value is None else value, _point(cell), {**names, **own}
    )


def _store(buffer: Buffer, value: Expr, point: Iterable[Expr], names: Mapping[Var, Expr]) -> Any:
    at = [tir.substitute(index, names) for index in point]
    return tirx.BufferStore(buffer, tir.substitute(value, names), at)


def _nest(axes: Iterable[Axis], body: Stores) -> Any:
    """Loops over `axes`, with variables of their own, around what `body` makes of these."""
    axes = list(axes)
    fresh = {var: tirx.Var(var.name, "int32") for var, _ in axes}
    done = body(fresh)
    for var, extent in reversed(axes):
        zero, size = tir.const(0, "int32"), tir.const(extent, "int32")
        done = tirx.For(fresh[var], zero, size, tirx.ForKind.SERIAL, done)
    return done


def _sequence(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else tirx.SeqStmt(parts)
