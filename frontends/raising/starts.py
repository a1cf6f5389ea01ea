"""What reductions start from, where it is one of their terms, or is that of all of them.

    max(x[0], max(j < 7) x[j + 1])     ->    max(j < 8) x[j]            (one term more)
    max(x[0], max(j < 8) x[j])         ->    max(j < 8) x[j]            (a term again)
    max(j) max(b, f[j])                ->    max(b, max(j) f[j])        (the same each time)

A loop that starts from its first element, and one that starts from nothing, end as one reduction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .tensors import (
    Graph,
    Tensor,
    combine,
    knowing,
    parts,
    resimplified,
    simplified,
)

_KINDS = {"+": tirx.Add, "*": tirx.Mul, "max": tirx.Max, "min": tirx.Min}


def take_in_starts(graph: Graph) -> Graph:
    """The graph with such starts taken into their reductions, or out of them."""
    graph = _apart(graph)
    for buffer in [tensor.buffer for tensor in graph.tensors if _is_simple(tensor)]:
        graph = _extended(graph, buffer)
    return graph


def _is_simple(tensor: Tensor) -> bool:
    return tensor.reduction is not None and len(tensor.reduction.axes) == 1


# -- The same each time ---------------------------------------------------------------------------


def _apart(graph: Graph) -> Graph:
    """Extrema with what is in each of their terms beside them."""
    producers = {tensor.buffer: tensor for tensor in graph.tensors}
    tensors: list[Tensor] = []

    def split(tensor: Tensor) -> Tensor:
        reduction = tensor.reduction
        if reduction is None or reduction.op not in ("max", "min"):
            return tensor
        value = _through(tensor.value, producers)
        if not isinstance(value, _KINDS[reduction.op]):
            return tensor
        reduced = [var for var, _ in reduction.axes]
        for same, rest in ((value.a, value.b), (value.b, value.a)):
            if not tir.uses(same, reduced) and tir.uses(rest, reduced):
                shape = [extent for _, extent in tensor.axes] or [1]
                buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)
                tensors.append(replace(tensor, buffer=buffer, value=rest))
                point = tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)
                whole = combine(reduction.op, same, buffer[point])
                return replace(tensor, value=whole, reduction=None)
        return tensor

    for tensor in graph.tensors:
        tensors.append(split(tensor))
    outputs = tuple(replace(o, tensor=split(o.tensor)) for o in graph.outputs)
    return Graph(tuple(tensors), outputs)


def _through(value: Expr, producers: dict[Buffer, Tensor]) -> Expr:
    """A value, or the one that it is a plain read of."""
    producer = producers.get(value.source) if isinstance(value, tir.Load) else None
    if producer is None or not producer.plain:
        return value
    return tir.substitute(
        producer.value,
        {var: index for (var, _), index in zip(producer.axes, value.indices, strict=False)},
    )


# -- One term more, a term again ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Joined:
    """`op(start, t[point])` in the expressions of a reader."""

    node: Expr
    start: Expr
    load: Expr


def _extended(graph: Graph, buffer: Buffer) -> Graph:
    """The graph with the start that all readers of a reduction add taken into it."""
    tensor = next(one for one in graph.tensors if one.buffer.same_as(buffer))
    assert tensor.reduction is not None
    kind = _KINDS[tensor.reduction.op]
    found: list[tuple[Tensor, _Joined]] = []
    reads = 0
    for reader, exprs in _readers(graph):
        for expr in exprs:
            reads += sum(load.source.same_as(buffer) for load in tir.loads(expr))
            nodes: list[Expr] = []
            tvm_ffi.structural_walk(expr, [(kind, nodes.append)], order="pre")
            for node in nodes:
                for start, load in ((node.a, node.b), (node.b, node.a)):
                    if isinstance(load, tir.Load) and load.source.same_as(buffer):
                        found.append((reader, _Joined(node, start, load)))
    if not found or len(found) != reads:
        return graph
    ((var, extent),) = tensor.reduction.axes
    steps = [-1, extent]
    if tensor.reduction.op in ("max", "min"):
        steps = [0, -1, extent - 1, extent]
    for step in steps:
        if all(_is_term(tensor, step, one, reader) for reader, one in found):
            longer = tensor
            if not 0 <= step < extent:
                if not _is_in_bounds(tensor, step):
                    return graph
                more = tirx.Var(var.name, "int32")
                reduction = replace(tensor.reduction, axes=((more, extent + 1),))
                value = tir.substitute(tensor.value, {var: more - 1 if step < 0 else more})
                longer = resimplified(replace(tensor, value=value, reduction=reduction))
            return _replaced(graph, tensor, longer, kind)
    return graph


def _readers(graph: Graph) -> list[tuple[Tensor, tuple[Expr, ...]]]:
    found = [(tensor, parts(tensor)) for tensor in graph.tensors]
    return found + [(o.tensor, (*parts(o.tensor), o.index)) for o in graph.outputs]


def _is_term(tensor: Tensor, step: int, joined: _Joined, reader: Tensor) -> bool:
    """Whether a start is the term of a step."""
    assert tensor.reduction is not None
    ((var, _),) = tensor.reduction.axes
    point = {v: index for (v, _), index in zip(tensor.axes, joined.load.indices, strict=False)}
    term = tir.substitute(tensor.value, {**point, var: tir.const(step, "int32")})
    with knowing(reader.all_axes, reader.guard) as analyzer:
        return tir.same(simplified(analyzer, term), simplified(analyzer, joined.start))


def _is_in_bounds(tensor: Tensor, step: int) -> bool:
    """Whether the term of a step can be computed for all elements of a reduction."""
    assert tensor.reduction is not None
    ((var, _),) = tensor.reduction.axes
    with knowing(tensor.axes, tensor.guard) as analyzer:
        term = simplified(analyzer, tir.substitute(tensor.value, {var: tir.const(step, "int32")}))
        for load in tir.loads(term):
            for index, extent in zip(load.indices, load.source.shape, strict=True):
                low, high = tir.bounds(analyzer, analyzer.simplify(index))
                if low < 0 or high >= int(extent):
                    return False
    return True


def _replaced(graph: Graph, old: Tensor, new: Tensor, kind: type) -> Graph:
    """The graph with the plain reduction in place of those with a start."""

    def change(expr: Expr, _: Tensor) -> Expr:
        return tvm_ffi.structural_map(expr, (kind, without_start), order="post")

    def without_start(node: Expr) -> Expr:
        for load in (node.a, node.b):
            if isinstance(load, tir.Load) and load.source.same_as(old.buffer):
                return load
        return node

    tensors = tuple(new if tensor is old else tensor for tensor in graph.tensors)
    return Graph(tensors, graph.outputs).rewrite(change)
