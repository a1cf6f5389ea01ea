"""Reductions in the one form: however a kernel adds up, the sum is one block.

    t[i] = s[i] + s[i + 128]                  ->  t[i] = sum(j < 2) s[i + 128*j]        (pair)
    t[i] = sum(j) s[i, j], s[i, j] = sum(k) …  ->  t[i] = sum(j, k) …                    (merge)
    y[i] = t[i], t[i] = sum(j) …               ->  y[i] = sum(j) …                       (retarget)

Trees in shared memory, shuffles and partial sums by thread all end as one reduction. Floating-
point sums are reassociated, which the caller declares as an assumption of the lift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .accumulation import choice_sides
from .orderings import extremum
from .tensors import (
    IDENTITY,
    Axis,
    Graph,
    Reduction,
    Tensor,
    combine,
    is_choice,
    is_identity,
    knowing,
    resimplified,
    simplified,
)

_KINDS = {tirx.Add: "+", tirx.Mul: "*", tirx.Max: "max", tirx.Min: "min"}


def gather_reductions(graph: Graph) -> Graph:
    """Pairs, nested reductions and copies of reductions, each as one reduction."""
    made = {tensor.buffer for tensor in graph.tensors}
    graph = graph.map_tensors(lambda tensor: _paired(tensor, made))
    producers = {tensor.buffer: tensor for tensor in graph.tensors}
    readers = graph.readers()

    def merged(tensor: Tensor) -> Tensor:
        result = _merged(tensor, producers, readers)
        producers[tensor.buffer] = result
        return result

    return graph.map_tensors(merged).live().map_tensors(_without_identities)


def _without_identities(tensor: Tensor) -> Tensor:
    """Terms without what does not matter in them, and without terms that do not matter.

    sum(k) (0 + a[k])   ->   sum(k) a[k]
    """
    reduction = tensor.reduction
    if reduction is None:
        return tensor
    identity = IDENTITY[reduction.op](tensor.buffer.dtype)
    value = _stripped(tensor.value, reduction.op, identity)
    return _without_padding(tensor if value is tensor.value else replace(tensor, value=value))


def _stripped(value: Expr, op: str, identity: Expr) -> Expr:
    if _KINDS.get(type(value)) == op:
        left, right = _stripped(value.a, op, identity), _stripped(value.b, op, identity)
        if is_identity(op, left):
            return right
        if is_identity(op, right):
            return left
        same = left is value.a and right is value.b
        return value if same else combine(op, left, right)
    if is_choice(value):
        test, then, other = value.args
        sides = [_stripped(side, op, identity) for side in (then, other)]
        sides = [identity if is_identity(op, side) else side for side in sides]
        if sides[0] is not then or sides[1] is not other:
            return tirx.if_then_else(test, *sides)
    return value


def _without_padding(tensor: Tensor) -> Tensor:
    """Terms that are the identity beyond a bound leave the reduction.

        sum(k < 208) (k < 200 ? a[k] : 0) * (k < 200 ? b[k] : 0)   ->   sum(k < 200) a[k] * b[k]

    Each factor must vanish, since 0 times an infinity is no 0.
    """
    reduction = tensor.reduction
    if reduction is None:
        return tensor
    for position, (var, extent) in enumerate(reduction.axes):
        for test in _bounds_on(tensor.value, var):
            limit = tir.as_const(test.b)
            if (
                limit is None
                or not 0 < limit < extent
                or not _vanishes(tensor.value, test, reduction.op, tensor.buffer.dtype)
            ):
                continue
            axes = list(reduction.axes)
            axes[position] = (var, limit)
            tensor = replace(tensor, reduction=replace(reduction, axes=tuple(axes)))
            return resimplified(tensor)
    return tensor


def _bounds_on(value: Expr, var: Expr) -> list[Expr]:
    """Tests `var < n` among the conditions of choices."""
    found: list[Expr] = []

    def visit(node: Expr) -> None:
        if is_choice(node):
            found.extend(
                test
                for test in tir.conjuncts(node.args[0])
                if isinstance(test, tirx.LT) and test.a.same_as(var)
            )

    tvm_ffi.structural_walk(value, [(tvm.ir.Call, visit)], order="pre")
    return found


def _vanishes(value: Expr, test: Expr, op: str, dtype: str) -> bool:
    """Whether `value` is the identity of `op` wherever `test` fails."""
    if is_choice(value) and any(tir.same(part, test) for part in tir.conjuncts(value.args[0])):
        identity = IDENTITY[op](dtype)
        return tir.same(value.args[2], identity)
    if isinstance(value, tirx.Mul) and op == "+":
        return _vanishes(value.a, test, op, dtype) and _vanishes(value.b, test, op, dtype)
    if isinstance(value, tirx.Cast) and op == "+":
        return _vanishes(value.value, test, op, tir.dtype_of(value.value))
    return False


@dataclass(frozen=True, eq=False)
class Pair:
    """`source[…, e, …] op source[…, e + step, …]`; `point` is the first, e its `coordinate`.

    `ends` are the coordinates in the order in which the two were given.
    """

    op: str
    source: Buffer
    point: tuple[Expr, ...]
    coordinate: int
    step: int
    ends: tuple[Expr, Expr]

    def read(self, number: Var) -> Expr:
        """Element 0 or 1."""
        point = list(self.point)
        point[self.coordinate] = point[self.coordinate] + number * self.step
        return self.source[tuple(point)]

    def moves_as(self, other: Pair) -> bool:
        """Whether both go from one to the other in the same way."""
        return all(map(tir.same, self.ends, other.ends))


def pair_of(op: str, left: Expr, right: Expr, analyzer: Any) -> Pair | None:
    """Two elements of one array that lie a step apart in one coordinate."""
    if not (isinstance(left, tir.Load) and isinstance(right, tir.Load)):
        return None
    if not left.source.same_as(right.source):
        return None
    moved = [
        k
        for k, (a, b) in enumerate(zip(left.indices, right.indices, strict=True))
        if tir.as_const(analyzer.simplify(b - a)) != 0
    ]
    if len(moved) != 1:
        return None
    k = moved[0]
    first, second = left.indices[k], right.indices[k]
    step = tir.as_const(analyzer.simplify(second - first))
    point = list(left.indices if step is None or step > 0 else right.indices)
    if step is None:
        # A butterfly: the two digits 0 and 1 of one axis, in either order.
        total = tir.as_const(analyzer.simplify(first + second))
        if total != 1 or tir.bounds(analyzer, first) != (0, 1):
            return None
        point[k], step = tir.const(0, "int32"), 1
    return Pair(op, left.source, tuple(point), k, abs(step), (first, second))


def operands(value: Expr) -> tuple[str, Expr, Expr] | None:
    """`(op, left, right)` of a value that is `left op right`, or the greater or lesser of both
    by choice, which is their maximum or minimum if they are numbers."""
    op = _KINDS.get(type(value))
    if op is not None:
        return op, value.a, value.b
    sides = choice_sides(value)
    chosen = None if sides is None else extremum(*sides)
    return None if sides is None or chosen is None else (chosen, sides[2], sides[1])


def _pair(value: Expr, analyzer: Any) -> Pair | None:
    found = operands(value)
    return None if found is None else pair_of(*found, analyzer)


def _paired(tensor: Tensor, made: set[Buffer]) -> Tensor:
    """A pair of elements of one intermediate; two of a parameter are left as they are."""
    if not tensor.plain:
        return tensor
    with knowing(tensor.axes, tensor.guard) as analyzer:
        found = _pair(tensor.value, analyzer)
    if found is None or found.source not in made:
        return tensor
    axis, read = pair_axis(found)
    identity = IDENTITY[found.op](tensor.buffer.dtype)
    return replace(tensor, value=read, reduction=Reduction(found.op, (axis,), identity))


def pair_axis(pair: Pair) -> tuple[Axis, Expr]:
    """An axis over the two elements, and the element that it says."""
    var = tirx.Var("j", "int32")
    return (var, 2), pair.read(var)


def _merged(tensor: Tensor, producers: dict[Buffer, Tensor], readers: dict[Buffer, int]) -> Tensor:
    """`tensor` with the reductions (and pairs) that its value is a plain read of taken in."""
    while isinstance(tensor.value, tir.Load):
        producer = producers.get(tensor.value.source)
        if producer is None or producer is tensor or producer.recurrence or tensor.recurrence:
            return tensor
        op = tensor.reduction.op if tensor.reduction else None
        point = {
            var: index for (var, _), index in zip(producer.axes, tensor.value.indices, strict=False)
        }
        inner = producer.reduction
        if inner is not None:
            alone = readers.get(producer.buffer, 0) == 1
            fits = op in (None, inner.op) and not _moves(inner.init)
            if not (alone and fits and points_in(tensor.axes) <= points_in(producer.axes)):
                return tensor
            fresh = {var: tirx.Var(var.name, "int32") for var, _ in inner.axes}
            value = tir.substitute(tir.substitute(producer.value, fresh), point)
            axes = tuple((fresh[var], extent) for var, extent in inner.axes)
        elif op is not None:
            if op in ("max", "min") and readers.get(producer.buffer, 0) > 1:
                return tensor  # others may ask where it is, see `arguments`
            value = tir.substitute(producer.value, point)
            with knowing(tensor.all_axes, tensor.guard) as analyzer:
                pair = _pair(simplified(analyzer, value), analyzer)
            if pair is None or pair.op != op:
                return tensor
            axis, value = pair_axis(pair)
            axes = (axis,)
        else:
            return tensor
        if tensor.reduction is not None:
            reduction = replace(tensor.reduction, axes=(*tensor.reduction.axes, *axes))
        else:
            assert inner is not None
            reduction = replace(inner, axes=axes)
        tensor = replace(tensor, value=value, reduction=reduction)
        tensor = resimplified(tensor)
    return tensor


def _moves(init: Expr) -> bool:
    return not isinstance(init, (tirx.IntImm, tirx.FloatImm))


def points_in(axes: tuple[Axis, ...]) -> int:
    size = 1
    for _, extent in axes:
        size *= extent
    return size
