"""Recurrences without what they do not need: copies, locals read once, states of no effect.

m' = max(m, x); n = m'; (m, k) = (n, k + 1); y = m    ->    m = max(m, x); y = m
"""

from __future__ import annotations

from dataclasses import replace

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import decided
from .tensors import Cell, Graph, Recurrence, Tensor

MOST = 600  # nodes of the cells of a recurrence without locals
LARGEST = 120  # nodes of a local that is written into the only place that reads it


def tidy_recurrences(graph: Graph) -> Graph:
    """The graph with its recurrences in their simplest form."""
    return graph.map_tensors(tidied)


def tidied(tensor: Tensor) -> Tensor:
    """A tensor's recurrence without needless cells."""
    recurrence = tensor.recurrence
    if recurrence is None:
        return tensor
    recurrence = _with_needed(recurrence, tensor.value)
    for local in recurrence.locals:
        (current,) = (cell for cell in recurrence.locals if cell.buffer.same_as(local.buffer))
        reads = sum(
            load.source.same_as(local.buffer)
            for cell in recurrence.cells
            for load in tir.loads(cell.value)
        )
        copy = isinstance(current.value, (tir.Load, tirx.IntImm, tirx.FloatImm))
        if copy or (reads == 1 and size(current.value) <= LARGEST):
            recurrence = _without(recurrence, current)
    recurrence = recurrence.map_cells(lambda cell: replace(cell, value=decided(cell.value)))
    return replace(tensor, recurrence=recurrence)


def without_locals(tensor: Tensor) -> Tensor:
    """A tensor whose recurrence has no locals, unless that makes its steps large."""
    recurrence = tensor.recurrence
    while recurrence is not None and recurrence.locals:
        recurrence = _without(recurrence, recurrence.locals[0])
        if sum(size(cell.value) for cell in recurrence.cells) > MOST:
            return tensor
    if recurrence is not None:
        recurrence = recurrence.map_cells(lambda cell: replace(cell, value=decided(cell.value)))
    return replace(tensor, recurrence=recurrence)


def size(expr: Expr) -> int:
    """How many nodes an expression has."""
    count = 0

    def visit(_: Expr) -> None:
        nonlocal count
        count += 1

    tvm_ffi.structural_walk(expr, [(tirx.Expr, visit)], order="pre")
    return count


def _without(recurrence: Recurrence, local: Cell) -> Recurrence:
    """With a local written into what reads it."""

    def change(load: Expr) -> Expr:
        if not load.source.same_as(local.buffer):
            return load
        point = {var: index for (var, _), index in zip(local.axes, load.indices, strict=False)}
        return tir.substitute(local.value, point)

    kept = tuple(cell for cell in recurrence.locals if cell is not local)
    return replace(recurrence, locals=kept).map_cells(
        lambda cell: replace(cell, value=tir.map_loads(cell.value, change))
    )


def _with_needed(recurrence: Recurrence, value: Expr) -> Recurrence:
    """With the cells that `value` depends on."""
    cells = {cell.buffer: cell for cell in recurrence.cells}
    needed: set[Buffer] = set()
    pending = [value]
    while pending:
        for load in tir.loads(pending.pop()):
            if load.source in cells and load.source not in needed:
                needed.add(load.source)
                pending.append(cells[load.source].value)
    return replace(
        recurrence,
        states=tuple(cell for cell in recurrence.states if cell.buffer in needed),
        locals=tuple(cell for cell in recurrence.locals if cell.buffer in needed),
    )
