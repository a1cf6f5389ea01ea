"""Tensors that need no memory of their own are written into their readers.

    t[i] = x[i];  y[i] = f(t[i])       ->  y[i] = f(x[i])
    t[i] = …;     y[i] = t[3]          ->  t has the one point 3

A tensor is inlined if it is cheap to compute again, or is read once and not for more points than
it has. What reads the first content of a parameter that is overwritten stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .refusal import TooLarge
from .tensors import (
    Graph,
    Output,
    Tensor,
    is_choice,
    knowing,
    parts,
    resimplified,
    rewritten,
    simplified,
)
from .uses import Uses, size_of

MOST_READS = 1500
MOST_INLINED = 48  # reads of an element with everything that is not reduced inlined
MOST_SIDES = 4  # choices between copies
CHEAP = 12  # nodes that may be computed again for each reader


def inline(graph: Graph, copies_only: bool = False) -> Graph:
    """The graph without tensors that are better computed where they are read.

    With `copies_only`, plain reads, constants, and choices of those by position alone: pairs of
    elements are then still there to be recognised as reductions.
    """
    written = {output.param for output in graph.outputs}
    uses = Uses(graph)
    for number in range(len(graph.tensors)):
        tensor = uses.tensor(number)
        readers = uses.readers(tensor.buffer)
        if not tensor.plain or not readers:
            continue
        work = _choosing(tensor.value) if copies_only else cost(tensor.value)
        limit = MOST_SIDES if copies_only else CHEAP
        count = uses.reads(tensor.buffer)
        alone = not copies_only and count == 1
        once = alone and _points(uses.tensor(readers[0])) <= _points(tensor)
        again = work <= limit and work * count <= 4 * CHEAP
        if (again or once) and not _holds_old_content(tensor, uses.outputs(), written):
            uses.drop(number)
            for reader in readers:
                uses.rewrite(reader, _substitution(tensor))
            _refuse_size(uses.size, graph)
    return uses.graph().live()


def refuse_large(graph: Graph) -> None:
    """Refuses a graph whose expressions have grown beyond what is worth looking at."""
    _refuse_size(sum(map(size_of, graph.expressions())), graph)


def _refuse_size(size: int, graph: Graph) -> None:
    if size > MOST_READS:
        raise TooLarge("its expressions grow too large", graph.outputs[0].tensor.span)


def keep_deep(graph: Graph) -> Graph:
    """Of chains in which each tensor reads the one before several times, some tensors are kept.

    A schedule that inlined all of such a chain would double its work at every step.
    """
    sizes: dict[Buffer, int] = {}
    kept: set[Buffer] = set()
    for tensor in _consumers(graph):
        read = [load.source for expr in parts(tensor) for load in tir.loads(expr)]
        if 1 + sum(sizes.get(buffer, 1) for buffer in read) > MOST_INLINED:
            kept |= {buffer for buffer in read if sizes.get(buffer, 1) > 1}
            sizes |= dict.fromkeys(kept, 1)
        sizes[tensor.buffer] = 1 + sum(sizes.get(b, 1) for b in read) if tensor.plain else 1
    return graph.map_tensors(lambda tensor: replace(tensor, kept=tensor.buffer in kept))


def _named(graph: Graph, buffer: Buffer) -> Tensor:
    return next(tensor for tensor in graph.tensors if tensor.buffer.same_as(buffer))


def pin(graph: Graph) -> Graph:
    """Axes that do not matter are dropped: every reader asks for the same constant, or no
    expression of the tensor uses it."""
    for buffer in [tensor.buffer for tensor in graph.tensors]:
        tensor = _named(graph, buffer)
        points = [
            load.indices
            for expr in graph.expressions()
            for load in tir.loads(expr)
            if load.source.same_as(buffer)
        ]
        fixed: dict[int, int] = {}
        for position in range(len(tensor.axes)):
            found = {tir.as_const(point[position]) for point in points}
            value = found.pop() if len(found) == 1 else None
            if value is None and _unused(tensor, position):
                value = 0
            if value is not None:
                fixed[position] = value
        fixed = _pinnable(tensor, fixed)
        if fixed:
            graph = _pinned(graph, tensor, fixed)
    return graph


def shrink(graph: Graph) -> Graph:
    """Axes of which only a beginning is read end there.

    t[l], l < 32;  y = sum(j < 2) t[j]     ->    t[l], l < 2
    """
    for buffer in [tensor.buffer for tensor in graph.tensors]:
        tensor = _named(graph, buffer)
        most = [-1] * len(tensor.axes)
        for reader, exprs in _readers(graph):
            if not _read(exprs, buffer):
                continue
            with knowing(reader.all_axes, reader.guard) as analyzer:
                for expr in exprs:
                    for load in tir.loads(expr):
                        if load.source.same_as(buffer):
                            for position in range(len(most)):
                                high = tir.bounds(analyzer, load.indices[position])[1]
                                most[position] = max(most[position], high)
        for position in tensor.ordered_positions:
            most[position] = tensor.axes[position][1] - 1
        if any(0 <= high < extent - 1 for high, (_, extent) in zip(most, tensor.axes, strict=True)):
            graph = _shrunk(graph, tensor, most)
    return graph


def _shrunk(graph: Graph, tensor: Tensor, most: list[int]) -> Graph:
    axes = tuple(
        (var, min(extent, high + 1)) for (var, extent), high in zip(tensor.axes, most, strict=True)
    )
    shape = [extent for _, extent in axes]
    buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)

    def moved(load: Expr) -> Expr:
        return buffer[tuple(load.indices)] if load.source.same_as(tensor.buffer) else load

    new = resimplified(replace(tensor, axes=axes, buffer=buffer))
    graph = Graph(tuple(new if t is tensor else t for t in graph.tensors), graph.outputs)
    return graph.rewrite(lambda expr, _: tir.map_loads(expr, moved))


def _pinnable(tensor: Tensor, fixed: dict[int, int]) -> dict[int, int]:
    """Of a recurrence's steps, only the last one can be the one that matters."""
    ordered = tensor.ordered_positions
    last = all(fixed.get(k) == tensor.axes[k][1] - 1 for k in ordered)
    return {k: value for k, value in fixed.items() if last or k not in ordered}


def _unused(tensor: Tensor, position: int) -> bool:
    var = tensor.axes[position][0]
    if position in tensor.ordered_positions:
        return False
    return not any(tir.uses(expr, [var]) for expr in parts(tensor))


def _pinned(graph: Graph, tensor: Tensor, fixed: dict[int, int]) -> Graph:
    ordered = tensor.ordered_positions
    mapping = {
        tensor.axes[position][0]: tir.const(value, "int32")
        for position, value in fixed.items()
        if position not in ordered
    }
    axes = tuple(axis for position, axis in enumerate(tensor.axes) if position not in fixed)
    shape = [extent for _, extent in axes] or [1]
    buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)

    def moved(load: Expr) -> Expr:
        if not load.source.same_as(tensor.buffer):
            return load
        kept = [index for position, index in enumerate(load.indices) if position not in fixed]
        return buffer[tuple(kept) or (tir.const(0, "int32"),)]

    new = rewritten(tensor, lambda expr, _: tir.substitute(expr, mapping))
    new = replace(new, axes=axes, buffer=buffer)
    new = resimplified(new)
    graph = Graph(tuple(new if t is tensor else t for t in graph.tensors), graph.outputs)
    return graph.rewrite(lambda expr, _: tir.map_loads(expr, moved))


def substitute_reads(expr: Expr, tensor: Tensor) -> Expr:
    """`expr` with the tensor's value in place of its reads."""

    def change(load: Expr) -> Expr:
        if not load.source.same_as(tensor.buffer):
            return load
        return tir.substitute(
            tensor.value,
            {var: index for (var, _), index in zip(tensor.axes, load.indices, strict=False)},
        )

    return tir.map_loads(expr, change)


def _substitution(tensor: Tensor) -> Callable[[Expr, Tensor], Expr]:
    def change(expr: Expr, reader: Tensor) -> Expr:
        if not _read([expr], tensor.buffer):
            return expr
        with knowing(reader.all_axes, reader.guard) as analyzer:
            return simplified(analyzer, substitute_reads(expr, tensor))

    return change


def _holds_old_content(tensor: Tensor, outputs: Iterable[Output], written: set[Buffer]) -> bool:
    """Whether inlining would move a read of an overwritten parameter behind the overwriting."""
    old = [load for load in tir.loads(tensor.value) if load.source in written]
    if not old:
        return False
    for output in outputs:
        if _read([output.index], tensor.buffer):
            return True
        if not _read(parts(output.tensor), tensor.buffer):
            continue
        for load in tir.loads(output.tensor.value):
            if load.source.same_as(tensor.buffer) and not _same_element(load, tensor, old, output):
                return True
    return False


def _same_element(load: Expr, tensor: Tensor, old: list[Expr], output: Output) -> bool:
    """Whether every old element that the inlined read needs is the one about to be stored."""
    point = {var: index for (var, _), index in zip(tensor.axes, load.indices, strict=False)}
    with knowing(output.tensor.axes, output.tensor.guard) as analyzer:
        return all(
            read.source.same_as(output.param)
            and analyzer.can_prove_equal(tir.substitute(read.indices[0], point), output.index)
            for read in old
        )


def _consumers(graph: Graph) -> Iterable[Tensor]:
    return (*graph.tensors, *(output.tensor for output in graph.outputs))


def _readers(graph: Graph) -> Iterable[tuple[Tensor, tuple[Expr, ...]]]:
    """Each tensor with the expressions over its axes."""
    for tensor in graph.tensors:
        yield tensor, parts(tensor)
    for output in graph.outputs:
        yield output.tensor, (*parts(output.tensor), output.index)


def _read(exprs: Iterable[Expr], buffer: Buffer) -> bool:
    return any(load.source.same_as(buffer) for expr in exprs for load in tir.loads(expr))


def _points(tensor: Tensor) -> int:
    size = 1
    for _, extent in tensor.all_axes:
        size *= extent
    return size


def _choosing(value: Expr) -> int:
    """How many choices by position a copy makes; more than any limit of what is no copy."""
    if isinstance(value, (tir.Load, tirx.IntImm, tirx.FloatImm)):
        return 0
    if not is_choice(value) or tir.has_load(value.args[0]):
        return 1 << 10
    return 1 + _choosing(value.args[1]) + _choosing(value.args[2])


def cost(expr: Expr) -> int:
    """Floating-point work of an expression: operations, with functions counted heavily."""
    total = 0

    def operation(_: Expr) -> None:
        nonlocal total
        total += 1

    def call(node: Expr) -> None:
        nonlocal total
        total += 1 if is_choice(node) else 1000

    kinds = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Max, tirx.Min, tirx.Select, tirx.Cast)
    handlers = [(kind, operation) for kind in kinds]
    bare = tir.map_loads(expr, lambda load: tir.const(0, tir.dtype_of(load)))
    tvm_ffi.structural_walk(
        bare, [*handlers, (tirx.Div, operation), (tvm.ir.Call, call)], order="pre"
    )
    return total
