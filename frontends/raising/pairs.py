"""One step of a tree over pairs of a value and its place, as two reductions; see `arguments`.

c = v[t + s] > v[t] or (v[t + s] == v[t] and i[t + s] < i[t])
w[t] = c ? v[t + s] : v[t]      ->   w[t] = max(j < 2) v[t + s*j]
k[t] = c ? i[t + s] : i[t]      ->   k[t] = min(j < 2) (v[t + s*j] == w[t] ? i[t + s*j] : none)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accumulation import choice_sides
from .extrema import is_exact
from .orderings import extremum, tie
from .places import chosen
from .reductions import Pair, operands, pair_axis, pair_of
from .tensors import IDENTITY, Graph, Reduction, Tensor, knowing, simplified

_ORDERS = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)


def with_pairs(graph: Graph) -> Graph:
    """The graph with such steps as reductions."""
    producers = {tensor.buffer: tensor for tensor in graph.tensors}
    tensors: list[Tensor] = []

    def paired(tensor: Tensor) -> Tensor:
        found = _step_of(tensor, producers)
        if found is None:
            return tensor
        extreme = next((one for one in tensors if _is_same(one, found.values)), None)
        if extreme is None:
            extreme = found.values
            tensors.append(extreme)
        return found.places(extreme)

    for tensor in graph.tensors:
        tensors.append(paired(tensor))
    outputs = tuple(replace(o, tensor=paired(o.tensor)) for o in graph.outputs)
    return Graph(tuple(tensors), outputs)


@dataclass(frozen=True, eq=False)
class _Step:
    """Two values with their places: `values` is the greater one's tensor, or the lesser one's."""

    tensor: Tensor
    values: Tensor
    place: Pair

    def places(self, extreme: Tensor) -> Tensor:
        """The tensor of the places as a reduction that compares with `extreme`."""
        tensor, reduction = self.tensor, self.values.reduction
        assert reduction is not None
        own = dict(zip((v for v, _ in self.values.axes), (v for v, _ in tensor.axes), strict=True))
        value = tir.substitute(self.values.value, own)
        (axis,) = reduction.axes
        place = self.place.read(axis[0])
        point = tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)
        none = IDENTITY[self.place.op](tensor.buffer.dtype)
        is_extreme = tirx.EQ(value, extreme.buffer[point])
        whole = chosen([is_extreme], place, none)
        return replace(tensor, value=whole, reduction=Reduction(self.place.op, (axis,), none))


def _step_of(tensor: Tensor, producers: Mapping[Buffer, Tensor]) -> _Step | None:
    """`c ? i[… + s] : i[…]` where `c` is true of a greater value, and of an equal one whose place
    is less (or greater)."""
    sides = choice_sides(tensor.value) if tensor.plain else None
    if sides is None or not tir.is_int(sides[1]):
        return None
    test, place, other = sides
    if not isinstance(place, tir.Load) or place.source not in producers:
        return None
    with knowing(tensor.axes, tensor.guard) as analyzer:
        places = pair_of("min", other, place, analyzer)
        if places is None:
            return None
        for one, two in _compared(test):
            for new, old in ((one, two), (two, one)):
                if new.source not in producers:
                    continue
                op = extremum(test, new, old)
                kept = tie(test, new, old, place, other)
                values = None if op is None else pair_of(op, old, new, analyzer)
                if values is None or kept not in ("min", "max") or not values.moves_as(places):
                    continue
                if not is_exact(new, producers):
                    return None
                return _Step(tensor, _tensor_of(values, tensor), replace(places, op=kept))
    return None


def _compared(test: Expr) -> list[tuple[Expr, Expr]]:
    """Elements that a test compares."""
    found: list[Expr] = []
    tvm_ffi.structural_walk(test, [(kind, found.append) for kind in _ORDERS], order="pre")
    return [
        (node.a, node.b)
        for node in found
        if isinstance(node.a, tir.Load) and isinstance(node.b, tir.Load)
    ]


def _tensor_of(pair: Pair, like: Tensor) -> Tensor:
    """The reduction of a pair over the axes of a tensor."""
    dtype = pair.source.dtype
    shape = [extent for _, extent in like.axes] or [1]
    buffer = tirx.decl_buffer(shape, dtype, pair.source.name)
    axis, read = pair_axis(pair)
    reduction = Reduction(pair.op, (axis,), IDENTITY[pair.op](dtype))
    return Tensor(buffer, like.axes, read, reduction, like.guard, like.span)


def _is_same(tensor: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor is the reduction `wanted` of a pair, or the same as a choice."""
    assert wanted.reduction is not None
    if [e for _, e in tensor.axes] != [e for _, e in wanted.axes] or tensor.recurrence is not None:
        return False
    own = {old: var for (old, _), (var, _) in zip(tensor.axes, wanted.axes, strict=True)}
    guard = [tir.substitute(test, own) for test in tensor.guard]
    if len(guard) != len(wanted.guard) or not all(map(tir.same, guard, wanted.guard)):
        return False
    value = tir.substitute(tensor.value, own)
    if tensor.reduction is not None:
        if tensor.reduction.op != wanted.reduction.op or len(tensor.reduction.axes) != 1:
            return False
        ((var, extent),), ((named, two),) = tensor.reduction.axes, wanted.reduction.axes
        return extent == two and tir.same(tir.substitute(value, {var: named}), wanted.value)
    with knowing(wanted.axes, wanted.guard) as analyzer:
        sides = operands(value)
        pair = None if sides is None else pair_of(*sides, analyzer)
        if pair is None or pair.op != wanted.reduction.op:
            return False
        ((named, _),) = wanted.reduction.axes
        read = simplified(analyzer, pair.read(named))
        return tir.same(read, simplified(analyzer, wanted.value))
