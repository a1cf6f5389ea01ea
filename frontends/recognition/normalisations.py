"""Normalisations: elements of a row, centred and divided by a deviation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tvm import relax

from . import terms
from .affine import Axis
from .emitter import Axes, Emitter, Value
from .meaning import Meaningless, Values, agree, evaluate, points_for
from .rows import body_at, runs_along
from .terms import Apply, Const, Node, Read, Reduce, parts_of

_MOST_PARTS = 7
SPREAD = np.geomspace(1e-8, 9.0, 24)
"""Values for a variance, from tiny to large, so that a small constant beside it shows."""


@dataclass(frozen=True)
class Moments:
    """What a row is normalised by: its sum, if it is centred, and its sum of squares."""

    element: Node
    along: tuple[Axis, ...]
    total: Reduce | None
    squares: Reduce
    centred: bool

    @property
    def count(self) -> int:
        return math.prod(axis.extent for axis in self.along)


def _moments(node: Node, axes: Axes) -> Iterator[Moments]:
    sums = [part for part in parts_of(node) if isinstance(part, Reduce) and part.op == "sum"]
    inner = [p for s in sums for p in parts_of(s.body) if isinstance(p, Reduce) and p.op == "sum"]
    sums = list({each.key: each for each in (*sums, *inner)}.values())
    for squares in sums:
        for along, square in runs_along(squares, axes, node):
            for total in (*(each for each in sums if each is not squares), None):
                for element in _elements(square, total, along):
                    yield from _as_moments(square, element, along, total, squares)


def _elements(square: Node, total: Reduce | None, along: tuple[Axis, ...]) -> list[Node]:
    if total is None:
        return _candidates(square)
    element = body_at(total, along)
    return [] if element is None else [element]


def _candidates(square: Node) -> list[Node]:
    found = [
        one for one in terms.walk(square) if not isinstance(one, Const) and "float" in one.dtype
    ]
    unique = {one.key: one for one in found if one.key != square.key}
    return list(unique.values())[:12]


def _as_moments(
    square: Node, element: Node, along: tuple[Axis, ...], total: Reduce | None, squares: Reduce
) -> Iterator[Moments]:
    parts = {part.key: part for part in (*parts_of(square), *parts_of(element))}
    if total is not None:
        parts[total.key] = total
    points = points_for([parts[key] for key in sorted(parts)])
    count = math.prod(axis.extent for axis in along)
    try:
        values, elements = evaluate(square, points), evaluate(element, points)
    except Meaningless:
        return
    if agree(values, elements**2):
        yield Moments(element, along, total, squares, False)
    elif total is not None and agree(values, (elements - points[total.key] / count) ** 2):
        yield Moments(element, along, total, squares, True)


Form = Callable[[Values, float], Values]
_FORMS: Mapping[str, Form] = {
    "inside": lambda variance, epsilon: 1 / np.sqrt(variance + epsilon),
    "outside": lambda variance, epsilon: 1 / (np.sqrt(variance) + epsilon),
}


def normalisation(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Layer, RMS, instance and group normalisation, with epsilon inside or outside the root."""
    if not isinstance(node, Apply) or "float" not in node.dtype:
        return None
    if not any(isinstance(part, Reduce) for part in parts_of(node)):
        return None
    for moments in _moments(node, axes):
        found = _form(node, moments)
        if found is not None:
            return _normalise(emitter, axes, node, moments, found)
    return None


@dataclass(frozen=True)
class Scaling:
    """`... * weight + bias`, and where `epsilon` stands: inside or outside the root."""

    weight: Node | None
    bias: Node | None
    where: str
    epsilon: float

    @property
    def parts(self) -> list[Node]:
        return [part for part in (self.weight, self.bias) if part is not None]


def _form(node: Node, moments: Moments) -> Scaling | None:
    """How the normalised element is scaled, if the expression is one."""
    known = {moments.squares.key, *(part.key for part in parts_of(moments.element))}
    if moments.total is not None:
        known.add(moments.total.key)
    others = [part for part in parts_of(node) if part.key not in known]
    if len(others) > 2 or len(known) > _MOST_PARTS:
        return None
    everything = {
        part.key: part
        for part in (*parts_of(node), *parts_of(moments.element), moments.squares, moments.total)
        if part is not None
    }
    points = points_for([everything[key] for key in sorted(everything)])
    # A variance is positive: the sum of squares exceeds what the sum alone makes of it.
    total = points[moments.total.key] if moments.total is not None else 0.0
    count = moments.count
    squares = count * SPREAD + total**2 / count
    points[moments.squares.key] = squares
    mean = total / count
    variance = (
        squares / count if moments.centred or moments.total is None else squares / count - mean**2
    )
    try:
        values, element = evaluate(node, points), evaluate(moments.element, points)
    except Meaningless:
        return None
    for epsilon in _epsilons(node, count):
        for where, form in _FORMS.items():
            base = (element - mean) * form(variance, epsilon)
            for weight, bias in _roles(others):
                expected = base * (points[weight.key] if weight else 1.0)
                expected = expected + (points[bias.key] if bias else 0.0)
                if agree(values, expected):
                    return Scaling(weight, bias, where, epsilon)
    return None


def _epsilons(node: Node, count: int) -> list[float]:
    """The small constants of an expression, also as part of a sum over `count`."""
    constants = {
        abs(float(one.value))
        for one in terms.walk(node)
        if isinstance(one, Const) and 0 < abs(float(one.value)) < 1
    }
    return [*sorted(constants), *sorted(one / count for one in constants), 0.0]


def _roles(others: Sequence[Node]) -> list[tuple[Node | None, Node | None]]:
    if not others:
        return [(None, None)]
    if len(others) == 1:
        return [(others[0], None), (None, others[0])]
    return [(others[0], others[1]), (others[1], others[0])]


def _normalise(
    emitter: Emitter, axes: Axes, node: Node, moments: Moments, scaling: Scaling
) -> Value:
    along = moments.along
    free = tuple(axis for axis in axes if axis in node.axes and axis not in along)
    given = emitter.over(moments.element, (*free, *along))
    dtype, size = moments.element.dtype, [axis.extent for axis in along]
    weight, bias = (
        part and terms.apply("cast", [part], dtype) for part in (scaling.weight, scaling.bias)
    )
    scaling = replace(scaling, weight=weight, bias=bias)
    of_row = all(part.axes <= set(along) for part in scaling.parts)
    places = list(range(len(free), len(free) + len(along)))
    epsilon = scaling.epsilon
    if scaling.where == "inside" and of_row:
        ones = emitter.op(relax.op.ones(size, dtype))
        gamma = emitter.over(weight, along) if weight else ones
        if moments.total is None:
            value = emitter.op(relax.op.nn.rms_norm(given, gamma, places, epsilon))
            if bias:
                value = emitter.op(relax.op.add(value, emitter.over(bias, along)))
        else:
            beta = emitter.over(bias, along) if bias else emitter.op(relax.op.zeros(size, dtype))
            value = emitter.op(relax.op.nn.layer_norm(given, gamma, beta, places, epsilon))
    else:
        value = _written_out(emitter, (*free, *along), given, moments, scaling)
    value = emitter.arranged(value, (*free, *along), axes)
    attributes: dict[str, object] = {"axis": tuple(places), "epsilon": float(f"{epsilon:.6g}")}
    if scaling.where == "outside":
        attributes["epsilon_is"] = "outside the root"
    by = [emitter.emit(part, (*free, *along)) for part in scaling.parts]
    name = _name(moments, scaling.parts, of_row)
    emitter.record(name, [emitter.source(each) for each in (given, *by)], value, **attributes)
    return value


def _name(moments: Moments, by: Sequence[Node], of_row: bool) -> str:
    if moments.total is None:
        return "rms_norm"
    if by and not of_row:
        # Weights by channel: those of an instance cover one channel, those of a group several.
        several = any(part.axes & set(moments.along) for part in by)
        return "group_norm" if several else "instance_norm"
    return "layer_norm"


def _written_out(
    emitter: Emitter, axes: Axes, given: Value, moments: Moments, scaling: Scaling
) -> Value:
    """What Relax has no operator for, of means and roots."""
    op, ops = emitter.op, relax.op
    places = [axes.index(axis) for axis in moments.along]
    small = relax.const(scaling.epsilon, moments.element.dtype)
    if moments.total is not None:
        mean = op(ops.mean(given, axis=places, keepdims=True))
        given = op(ops.subtract(given, mean))
    variance = op(ops.mean(op(ops.square(given)), axis=places, keepdims=True))
    if scaling.where == "inside":
        root = op(ops.sqrt(op(ops.add(variance, small))))
    else:
        root = op(ops.add(op(ops.sqrt(variance)), small))
    value = op(ops.divide(given, root))
    if scaling.weight:
        value = op(ops.multiply(value, emitter.emit(scaling.weight, axes)))
    return op(ops.add(value, emitter.emit(scaling.bias, axes))) if scaling.bias else value


# -- Normalisation by given moments ---------------------------------------------------------------


def batch_norm(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, all of them parameters."""
    parts = parts_of(node)
    reads = [part for part in parts if isinstance(part, Read)]
    if not isinstance(node, Apply) or len(reads) != len(parts) or not 3 <= len(reads) <= 5:
        return None
    if not any(isinstance(o, Apply) and o.name in ("sqrt", "rsqrt") for o in terms.walk(node)):
        return None
    for x, mean, variance, *affine in _roles_of_moments(reads):
        points = points_for(reads)
        points[variance.key] = SPREAD
        try:
            values = evaluate(node, points)
        except Meaningless:
            return None
        for epsilon in _epsilons(node, 1):
            expected = points[x.key] - points[mean.key]
            expected = expected / np.sqrt(points[variance.key] + epsilon)
            for place, part in enumerate(affine):
                expected = (
                    expected * points[part.key] if place == 0 else expected + points[part.key]
                )
            if agree(values, expected):
                return _batch_norm(emitter, axes, (x, mean, variance, *affine), epsilon)
    return None


def _roles_of_moments(reads: Sequence[Read]) -> Iterator[tuple[Read, ...]]:
    """Orders with the reads of most axes in front, as `x` has them all."""
    most = max(len(read.axes) for read in reads)
    for order in itertools.permutations(reads):
        if len(order[0].axes) == most:
            yield order


def _batch_norm(emitter: Emitter, axes: Axes, roles: Sequence[Read], epsilon: float) -> Value:
    channel = [axis for axis in axes if axis in roles[1].axes]
    rest = [axis for axis in axes if axis in roles[0].axes and axis not in channel]
    dtype = roles[0].dtype
    size = [math.prod(axis.extent for axis in channel)]
    x = emitter.grouped(roles[0], rest, channel)
    mean, variance, *affine = [emitter.grouped(role, channel) for role in roles[1:]]
    gamma = affine[0] if affine else emitter.op(relax.op.ones(size, dtype))
    beta = affine[1] if len(affine) > 1 else emitter.op(relax.op.zeros(size, dtype))
    done = relax.op.nn.batch_norm(
        x, gamma, beta, mean, variance, axis=1, epsilon=epsilon, training=False
    )
    value = emitter.op(relax.TupleGetItem(emitter.op(done), 0))
    value = emitter.ungrouped(value, axes, rest, channel)
    places = tuple(place for place, axis in enumerate(axes) if axis in channel)
    named = [emitter.source(each) for each in (x, mean, variance, *affine)]
    emitter.record("batch_norm", named, value, axis=places, epsilon=float(f"{epsilon:.6g}"))
    return value
