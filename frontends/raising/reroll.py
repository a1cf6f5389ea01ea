"""Steps written out by hand, rolled up again.

    c[4*i] = a[4*i];  …  c[4*i + 3] = a[4*i + 3]      ->    c[4*i + j] = a[4*i + j],  j < 4
    s += a[4*k] + a[4*k + 1] + a[4*k + 2] + a[4*k + 3] ->    s += sum(j < 4) a[4*k + j]
    s0 += a[2*k];  s1 += a[2*k + 1]                    ->    s[j] += a[2*k + j],  j < 2

Vector types and unrolled loops end as the loops they came from. A form is taken only if it gives
every written-out step back exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import RShift

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .tensors import Graph, Output, Tensor, knowing, reads_elsewhere, rewritten, simplified

_OPS = {"+": tirx.Add, "*": tirx.Mul, "max": tirx.Max, "min": tirx.Min}


def reroll(graph: Graph) -> Graph:
    """The graph with families of outputs, of reductions and of terms as axes."""
    graph = _rolled_reductions(graph.map_tensors(_rerolled_terms))
    outputs: list[Output] = []
    rest = list(graph.outputs)
    while rest:
        first = rest.pop(0)
        steps, group = [first], [first]
        while rest and (other := _like(first, rest[0])) is not None:
            steps.append(other)
            group.append(rest.pop(0))
        rolled = _rolled(steps)
        outputs += group if rolled is None else [rolled]
    return Graph(graph.tensors, tuple(outputs))


def _like(first: Output, other: Output) -> Output | None:
    """`other` over the axes of `first`, where both may be steps of one iteration."""
    if not first.param.same_as(other.param):
        return None
    if reads_elsewhere(first) or reads_elsewhere(other):
        return None
    tensor = _aligned(first.tensor, other.tensor)
    if tensor is None:
        return None
    renamed = dict(zip(_variables(other.tensor), _variables(first.tensor), strict=True))
    return Output(other.param, tir.substitute(other.index, renamed), tensor)


def _variables(tensor: Tensor) -> list[Var]:
    return [var for var, _ in tensor.all_axes]


def _aligned(first: Tensor, other: Tensor) -> Tensor | None:
    """`other` over the axes of `first`; `None` where axes, guards or kinds of the two differ."""
    if first.recurrence is not None or other.recurrence is not None:
        return None
    if len(first.axes) != len(other.axes):
        return None
    if [extent for _, extent in first.all_axes] != [extent for _, extent in other.all_axes]:
        return None
    a, b = first.reduction, other.reduction
    if (a is None) != (b is None) or (a and b and (a.op, a.rescaled) != (b.op, b.rescaled)):
        return None
    renamed: dict[Var, Expr] = dict(zip(_variables(other), _variables(first), strict=True))
    moved = rewritten(other, lambda expr, _: tir.substitute(expr, renamed))
    if moved.reduction is not None and a is not None:
        moved = replace(moved, reduction=replace(moved.reduction, axes=a.axes))
    if len(first.guard) != len(moved.guard) or not all(map(tir.same, first.guard, moved.guard)):
        return None
    return replace(moved, axes=first.axes)


def _rolled(group: list[Output]) -> Output | None:
    """The outputs as one with a new axis; `None` where they are no steps of one."""
    if len(group) < 2:
        return None
    with knowing(group[0].tensor.axes, group[0].tensor.guard) as analyzer:
        found = [tir.as_const(analyzer.simplify(o.index - group[0].index)) for o in group]
    shifts = [shift for shift in found if shift is not None]
    if len(shifts) < len(group):
        return None
    order = sorted(range(len(group)), key=lambda k: shifts[k])
    steps = {shifts[b] - shifts[a] for a, b in pairwise(order)}
    if len(steps) != 1 or 0 in steps:
        return None
    axis = tirx.Var("j", "int32")
    tensor = _together([group[k].tensor for k in order], axis)
    if tensor is None:
        return None
    return Output(group[0].param, group[order[0]].index + axis * steps.pop(), tensor)


def _together(tensors: list[Tensor], axis: Var) -> Tensor | None:
    """Tensors over the same axes as one with a new axis, or `None`."""
    first = tensors[0]
    with knowing(first.all_axes, first.guard) as analyzer:
        value = family([tensor.value for tensor in tensors], axis, analyzer)
        inits = [tensor.reduction.init for tensor in tensors if tensor.reduction is not None]
        init: Expr | None = None
        if inits:
            same = all(tir.same(inits[0], other) for other in inits[1:])
            init = inits[0] if same else family(inits, axis, analyzer)
    if value is None or (inits and init is None):
        return None
    rolled = replace(first, axes=(*first.axes, (axis, len(tensors))), value=value)
    if init is None or first.reduction is None:
        return rolled
    return replace(rolled, reduction=replace(first.reduction, init=init))


def _rolled_reductions(graph: Graph) -> Graph:
    """Reductions that differ in where they read as one with another axis.

    left = sum(k) a[k]*b[k, 0];  right = sum(k) a[k]*b[k, 1]   ->   s[j] = sum(k) a[k]*b[k, j]
    """
    families: dict[tuple[Any, ...], list[Tensor]] = {}
    for tensor in graph.tensors:
        if tensor.reduction is not None and tensor.recurrence is None:
            families.setdefault(_kind(tensor), []).append(tensor)
    for members in families.values():
        aligned = [_aligned(members[0], member) for member in members]
        tensors = [member for member in aligned if member is not None]
        if len(members) < 2 or len(tensors) < len(members):
            continue
        axis = tirx.Var("j", "int32")
        whole = _together(tensors, axis)
        if whole is not None:
            # Others may read those that are left now: one family a round.
            return _reading(graph, members, whole)
    return graph


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    """What members of a family have in common, at least."""
    assert tensor.reduction is not None
    extents = (tuple(e for _, e in tensor.axes), tuple(e for _, e in tensor.reduction.axes))
    sources = tuple(load.source for load in tir.loads(tensor.value))
    return (tensor.reduction.op, tensor.buffer.dtype, extents, sources)


def _reading(graph: Graph, members: list[Tensor], whole: Tensor) -> Graph:
    """The graph with `whole` in place of `members`, its parts along its last axis."""
    old = members[0].buffer
    shape = (*old.shape, len(members)) if members[0].axes else (len(members),)
    buffer = tirx.decl_buffer(shape, old.dtype, old.name)
    places = {member.buffer: number for number, member in enumerate(members)}

    def change(load: Expr) -> Expr:
        place = places.get(load.source)
        if place is None:
            return load
        point = load.indices if members[0].axes else ()
        at = (*point, tir.const(place, "int32"))
        return buffer[at]

    tensors: list[Tensor] = []
    for tensor in graph.tensors:
        if tensor.buffer.same_as(old):
            tensors.append(replace(whole, buffer=buffer))
        elif tensor.buffer not in places:
            tensors.append(tensor)
    # The first member comes before all that reads one, and after all that the others read.
    return Graph(tuple(tensors), graph.outputs).rewrite(lambda expr, _: tir.map_loads(expr, change))


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
    elif kind is tirx.Add and isinstance(value, tirx.Mul) and tir.is_int(value):
        yield from _multiplied(value)
    else:
        yield value


def _multiplied(product: Expr) -> Iterator[Expr]:
    """The terms of an integer `(a + b) * c`, which are `a * c` and `b * c`."""
    for many, factor in ((product.a, product.b), (product.b, product.a)):
        terms = list(_terms(many, tirx.Add))
        if len(terms) > 1:
            yield from (term * factor for term in terms)
            return
    yield product


def family(members: list[Expr], axis: Var, analyzer: Any) -> Expr | None:
    """The expression over `axis` that is `members[k]` at `axis == k`, or `None`.

    They may differ by equal steps in where they read, and by how many bits they shift.
    """
    members = [_known_shifts(member, analyzer) for member in members]
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
    shifts = _shift_steps(*members[:2])
    if shifts is None or not any(step for steps in (*moves, shifts) for step in steps):
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
    if any(shifts):
        whole = _shifting(whole, shifts, axis)
    for number, member in enumerate(members):
        at = tir.substitute(whole, {axis: tir.const(number, "int32")})
        at = simplified(analyzer, _known_shifts(at, analyzer))
        if not tir.same(at, simplified(analyzer, member)):
            return None
    return whole


def _known_shifts(expr: Expr, analyzer: Any) -> Expr:
    """With shifts by so many bits as a constant says, without casts."""

    def change(node: Expr) -> Expr:
        count = tir.as_const(analyzer.simplify(node.b))
        return node if count is None else RShift(node.a, tir.const(count, tir.dtype_of(node.b)))

    return tvm_ffi.structural_map(expr, (RShift, change), order="post")


def _shifts(expr: Expr) -> list[Expr]:
    found: list[Expr] = []
    tvm_ffi.structural_walk(expr, [(RShift, found.append)], order="post")
    return found


def _shift_steps(one: Expr, other: Expr) -> list[int] | None:
    """By how many bits more the other shifts; `None` where that is not known."""
    counts = [[tir.as_const(node.b) for node in _shifts(expr)] for expr in (one, other)]
    if len(counts[0]) != len(counts[1]):
        return None
    steps = []
    for a, b in zip(*counts, strict=True):
        if (a is None) != (b is None):
            return None
        steps.append(0 if a is None or b is None else b - a)
    return steps


def _shifting(expr: Expr, steps: list[int], axis: Var) -> Expr:
    """Shifts by so many bits more at each step of an axis."""
    pending = iter(steps)

    def change(node: Expr) -> Expr:
        step, count = next(pending), tir.as_const(node.b)
        if not step or count is None:
            return node
        return RShift(node.a, tirx.Cast(tir.dtype_of(node.b), axis * step + count))

    return tvm_ffi.structural_map(expr, (RShift, change), order="post")
