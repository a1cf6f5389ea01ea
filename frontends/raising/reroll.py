"""Steps written out by hand, rolled up again.

    c[4*i] = a[4*i];  …  c[4*i + 3] = a[4*i + 3]      ->    c[4*i + j] = a[4*i + j],  j < 4
    s += a[4*k] + a[4*k + 1] + a[4*k + 2] + a[4*k + 3] ->    s += sum(j < 4) a[4*k + j]

Vector types and unrolled loops end as the loops they came from. A form is taken only if it gives
every written-out step back exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .tensors import Graph, Output, Tensor, knowing, simplified

_OPS = {"+": tirx.Add, "*": tirx.Mul, "max": tirx.Max, "min": tirx.Min}


def reroll(graph: Graph) -> Graph:
    """The graph with families of outputs and of terms as axes."""
    graph = graph.map_tensors(_rerolled_terms)
    outputs: list[Output] = []
    rest = list(graph.outputs)
    while rest:
        first = rest.pop(0)
        group = [first]
        while rest and _alike(first, rest[0]):
            group.append(rest.pop(0))
        outputs += _rolled(group)
    return Graph(graph.tensors, tuple(outputs))


def _alike(first: Output, other: Output) -> bool:
    """Whether two outputs are steps of one iteration: same axes, same guard, next to each other."""
    a, b = first.tensor, other.tensor
    if not first.param.same_as(other.param) or not (a.plain and b.plain):
        return False
    if len(a.axes) != len(b.axes) or len(a.guard) != len(b.guard):
        return False
    same_axes = all(
        x[0].same_as(y[0]) and x[1] == y[1] for x, y in zip(a.axes, b.axes, strict=True)
    )
    return same_axes and all(map(tir.same, a.guard, b.guard))


def _rolled(group: list[Output]) -> list[Output]:
    """The outputs as one with a new axis, or as they are."""
    if len(group) < 2:
        return group
    tensor = group[0].tensor
    with knowing(tensor.axes, tensor.guard) as analyzer:
        found = [tir.as_const(analyzer.simplify(o.index - group[0].index)) for o in group]
        if any(shift is None for shift in found):
            return group
        shifts = [shift for shift in found if shift is not None]
        order = sorted(range(len(group)), key=lambda k: shifts[k])
        steps = {shifts[b] - shifts[a] for a, b in pairwise(order)}
        if len(steps) != 1 or 0 in steps:
            return group
        axis = tirx.Var("j", "int32")
        ordered = [group[k] for k in order]
        value = family([o.tensor.value for o in ordered], axis, analyzer)
    if value is None:
        return group
    axes = (*tensor.axes, (axis, len(group)))
    rolled = replace(tensor, axes=axes, value=value)
    return [Output(group[0].param, ordered[0].index + axis * steps.pop(), rolled)]


def _rerolled_terms(tensor: Tensor) -> Tensor:
    reduction = tensor.reduction
    if reduction is None:
        return tensor
    kind = _OPS[reduction.op]
    terms = list(_terms(tensor.value, kind))
    if len(terms) < 2:
        return tensor
    axis = tirx.Var("j", "int32")
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        value = family(terms, axis, analyzer)
    if value is None:
        return tensor
    axes = (*reduction.axes, (axis, len(terms)))
    return replace(tensor, value=value, reduction=replace(reduction, axes=axes))


def _terms(value: Expr, kind: Any) -> Iterator[Expr]:
    if isinstance(value, kind):
        yield from _terms(value.a, kind)
        yield from _terms(value.b, kind)
    else:
        yield value


def family(members: list[Expr], axis: Var, analyzer: Any) -> Expr | None:
    """The expression over `axis` that is `members[k]` at `axis == k`, or `None`."""
    first, second = (tir.loads(member) for member in members[:2])
    if len(first) != len(second) or not first:
        return None
    moves: list[list[int]] = []
    for a, b in zip(first, second, strict=True):
        if not a.source.same_as(b.source) or tir.has_load(a.indices[0]):
            return None
        steps = [
            tir.as_const(analyzer.simplify(y - x))
            for x, y in zip(a.indices, b.indices, strict=True)
        ]
        if any(step is None for step in steps):
            return None
        moves.append([step for step in steps if step is not None])
    if not any(step for steps in moves for step in steps):
        return None
    pending = iter(moves)

    def moved(load: Expr) -> Expr:
        steps = next(pending)
        point = [
            index + axis * step if step else index
            for index, step in zip(load.indices, steps, strict=True)
        ]
        return load.source[tuple(point)]

    whole = tir.map_loads(members[0], moved)
    for number, member in enumerate(members):
        at = tir.substitute(whole, {axis: tir.const(number, "int32")})
        if not tir.same(simplified(analyzer, at), simplified(analyzer, member)):
            return None
    return whole
