"""Tests on positions: what they say about the axes they are made of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from . import terms
from .affine import Affine, Axis
from .meaning import Meaningless, evaluate, points_for
from .terms import Apply, Const, Index, Node, Reduce, parts_of

ENDLESS = 1e29
"""Constants that kernels begin maxima with where they mean infinity are at least this large."""
OPERATION = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
"""What each reduction reduces by."""
_MOST_POSITIONS = 1 << 16
_MOST_AXES = 3
_PLAIN = {"less", "less_equal", "and"}


def is_neutral(op: str, value: Node, endless: float) -> bool:
    """Whether a constant changes nothing in a reduction. Numbers of at least `endless` are taken
    for infinity."""
    if op in ("sum", "prod"):
        return terms.is_const(value, 0 if op == "sum" else 1)
    return terms.is_end(OPERATION[op], value, endless)


def conjuncts(test: Node) -> list[Node]:
    """The parts of a nested `and`."""
    if isinstance(test, Apply) and test.name == "and":
        return [each for arg in test.args for each in conjuncts(arg)]
    return [test]


def limit(test: Node) -> tuple[Axis, int] | None:
    """The one axis that a test bounds from above, and the number of its values that pass it."""
    found = reaches(test)
    return found[0] if len(found) == 1 else None


def reaches(test: Node) -> list[tuple[Axis, int]]:
    """The axes that a test bounds from above, each with how many of its values may pass it, at
    the start of the others."""
    if not isinstance(test, Apply) or test.name not in ("less", "less_equal"):
        return []
    left, right = test.args
    if not isinstance(left, Index) or not isinstance(right, Const):
        return []
    axes = left.value.axes
    if len(axes) < len(left.value.factors) or min(map(left.value.factor, axes)) < 0:
        return []
    room = int(right.value) - left.value.const - (test.name == "less")
    return [(axis, room // left.value.factor(axis) + 1) for axis in axes]


def plain(test: Node) -> Node:
    """A test by bits or other arithmetic of positions as the comparison that it is.

    Lanes are masked with bits: `(1 << (60 - 16 i)) - 1 >> j & 1` is `16 i + j < 60`. All positions
    are tried; where they tell nothing simpler, the test stays as it is.
    """
    if not isinstance(test, Apply) or test.name in _PLAIN:
        return test
    axes = sorted(test.axes, key=lambda axis: axis.name)
    extents = [axis.extent for axis in axes]
    parts = parts_of(test)
    if not all(isinstance(part, Index) for part in parts) or not 0 < len(axes) <= _MOST_AXES:
        return test
    if math.prod(extents) > _MOST_POSITIONS:
        return test
    grid = dict(zip(axes, np.indices(extents), strict=True))
    try:
        passed = evaluate(test, {part.key: _positions(part, grid) for part in parts})
    except Meaningless:
        return test
    passed = np.broadcast_to(np.asarray(passed, bool), extents)
    if passed.all() or not passed.any():
        return terms.const(int(passed.any()), "bool")
    for order in itertools.permutations(range(len(axes))):
        flat = passed.transpose(order).ravel()
        count = int(flat.sum())
        if flat[:count].all():
            place = Affine()
            for number in order:
                place = place * extents[number] + Affine.of(axes[number])
            sides = [terms.index(place, "int64"), terms.const(count, "int64")]
            return terms.apply("less", sides, "bool")
    return test


def _positions(part: Node, grid: dict[Axis, np.ndarray]) -> np.ndarray:
    assert isinstance(part, Index)
    shape = next(iter(grid.values())).shape
    value = np.full(shape, part.value.const, np.int64)
    for axis in part.value.axes:
        value = value + part.value.factor(axis) * grid[axis]
    return value


def unguarded(node: Reduce, body: Node, endless: float) -> Node:
    """A reduction of `body` whose guard says how far axes go, over what is left of them.

    Max{k < 32} (k < 5 ? x[k] : -inf)   ->   Max{k < 5} x[k]
    """
    over = list(node.over)
    if endless < math.inf:
        body, over = _without_idle_steps(node.op, over, body)
    while isinstance(body, Apply) and body.name == "select":
        condition, _, other = body.args
        if not is_neutral(node.op, other, endless):
            break
        found = [
            (axis, extent)
            for test in conjuncts(condition)
            for axis, extent in reaches(test)
            if axis in over and 0 < extent < axis.extent
        ]
        if not found:
            break
        body, over = _shortened(body, over, *found[0])
    return terms.reduce(node.op, over, body, node.name)


def _shortened(
    body: Node, over: Sequence[Axis], axis: Axis, extent: int
) -> tuple[Node, list[Axis]]:
    """`body` and its axes with `axis` no longer than `extent`."""
    if extent == 1:
        return terms.substitute(body, {axis: Affine()}), [one for one in over if one is not axis]
    short = Axis(axis.name + "s", extent)
    rest = [short if one is axis else one for one in over]
    return terms.substitute(body, {axis: Affine.of(short)}), rest


def _without_idle_steps(op: str, over: list[Axis], body: Node) -> tuple[Node, list[Axis]]:
    """A reduction without the steps that add nothing, told by their value.

    Sum{k < 32} exp((k < 5 ? x[k] : -inf) - m)   ->   Sum{k < 5} exp(x[k] - m)
    """
    for choice in terms.walk(body):
        if not isinstance(choice, Apply) or choice.name != "select":
            continue
        test, used, idle = choice.args
        known = limit(test)
        if known is None or known[0] not in over or not 0 < known[1] < known[0].extent:
            continue
        if not _does_nothing(op, _replaced(body, choice, idle)):
            continue
        rest, over = _shortened(_replaced(body, choice, used), over, *known)
        return _without_idle_steps(op, over, rest)
    return body, over


def _replaced(node: Node, old: Node, new: Node) -> Node:
    return terms.rebuild(node, lambda one: new if one.key == old.key else None)


def _does_nothing(op: str, node: Node) -> bool:
    if op not in ("sum", "prod"):
        return False
    try:
        values = evaluate(node, points_for(parts_of(node)))
    except Meaningless:
        return False
    return bool((np.asarray(values) == (0 if op == "sum" else 1)).all())
