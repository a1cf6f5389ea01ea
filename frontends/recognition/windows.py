"""Windows that slide along the dimensions of an array.

An output axis and a reduction axis that index one dimension together are a window:

    x[.., 3 i + 2 k - 1, ..]        stride 3, dilation 2, padding 1
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import terms
from .affine import Affine, Axis
from .emitter import Axes, Emitter, Value
from .guards import ENDLESS, conjuncts, is_neutral
from .terms import Apply, Const, Index, Node, Read, parts_of


@dataclass(frozen=True)
class Window:
    """A dimension of `size` elements, `unit` apart in memory, that a window slides along.

    `before` counts the elements of padding in front.
    """

    out: Axis
    inner: Axis
    unit: int
    stride: int
    dilation: int
    before: int
    size: int

    @property
    def after(self) -> int:
        """The padding behind that the last window needs; negative where elements are left over."""
        reach = (self.out.extent - 1) * self.stride + (self.inner.extent - 1) * self.dilation + 1
        return reach - self.before - self.size


@dataclass(frozen=True)
class Sliding:
    """The windows of a read, outermost first, and its other axes, those of the largest stride
    first, with the number of elements that each has in memory."""

    read: Read
    windows: tuple[Window, ...]
    plain: tuple[Axis, ...]


def slidings(node: Node, over: Sequence[Axis], op: str) -> Iterator[tuple[Sliding, Node]]:
    """The ways in which the one read in `node` may slide, each with `node` without the test that
    pads it with what is neutral to `op`."""
    node, tests = _unpadded(node, op)
    parts = parts_of(node)
    if not parts or not isinstance(parts[0], Read) or parts[0].indices or len(parts) > 1:
        return
    read = parts[0]
    address = read.address
    if any(factor <= 0 for factor in address.factors.values()):
        return
    axes = sorted(address.axes, key=lambda axis: (-address.factor(axis), axis in over))
    for pairs in _pairings(axes, address, set(over)):
        windows = _windows(read, axes, pairs, tests)
        if windows is not None:
            paired = {axis for pair in pairs for axis in pair}
            yield Sliding(read, windows, tuple(a for a in axes if a not in paired)), node


Pair = tuple[Axis, Axis]


def _pairings(axes: Sequence[Axis], address: Affine, over: set[Axis]) -> Iterator[list[Pair]]:
    """Output axes each with a reduction axis beside it in the order of strides.

    Where windows do not overlap, a product of matrices has one pair, a convolution two.
    """
    for first, second in ((-1, 1), (1, -1)):
        pairs: list[Pair] = []
        for side in (first, second):
            for place, inner in enumerate(axes):
                beside = axes[place + side] if 0 <= place + side < len(axes) else inner
                taken = {axis for pair in pairs for axis in pair}
                if inner in over and beside not in over and not taken & {inner, beside}:
                    pairs.append((beside, inner))
        exact = [_fills(address, *pair) for pair in pairs]
        sliding = [pair for pair, fills in zip(pairs, exact, strict=True) if not fills]
        rest = [pair for pair in pairs if pair[0] is not axes[0]]
        for chosen in (rest, pairs, sliding):
            if len(chosen) > 1 or (chosen and chosen == sliding):
                yield chosen


def _fills(address: Affine, out: Axis, inner: Axis) -> bool:
    """Whether windows do not overlap: the axes may as well index dimensions of their own."""
    steps, step = address.factor(out), address.factor(inner)
    return step * inner.extent <= steps or step >= steps * out.extent


def _windows(
    read: Read, axes: Sequence[Axis], pairs: Sequence[Pair], tests: Sequence[Node]
) -> tuple[Window, ...] | None:
    address = read.address
    paired = {axis: pair for pair in pairs for axis in pair}
    units: list[tuple[int, Any]] = []
    for axis in axes:
        if axis not in paired:
            units.append((address.factor(axis), axis))
        elif axis is paired[axis][1]:
            pair = paired[axis]
            units.append((math.gcd(address.factor(axis), address.factor(pair[0])), pair))
    units.sort(key=lambda one: -one[0])
    const, outer, windows = address.const, read.size, []
    for unit, what in units:
        size, left = divmod(outer, unit)
        if left:
            return None
        if isinstance(what, Axis):
            if what.extent > size:
                return None
        else:
            out, inner = what
            stride, dilation = address.factor(out) // unit, address.factor(inner) // unit
            before = _padding(tests, Affine({out: stride, inner: dilation}), size)
            if before is None:
                return None
            const += before * unit
            windows.append(Window(out, inner, unit, stride, dilation, before, size))
        outer = unit
    if const or outer != 1 or len(tests) != sum(_tests_of(window, tests) for window in windows):
        return None
    if not all(window.before or window.after <= 0 or tests for window in windows):
        return None
    return tuple(windows)


def _unpadded(node: Node, op: str) -> tuple[Node, list[Node]]:
    """`node` without a test around its read, and the parts of the test."""
    if isinstance(node, Apply) and node.name == "select" and is_neutral(op, node.args[2], ENDLESS):
        return node.args[1], conjuncts(node.args[0])
    if isinstance(node, Apply) and node.name == "cast":
        inner, tests = _unpadded(node.args[0], op)
        return terms.apply("cast", [inner], node.dtype), tests
    return node, []


def _padding(tests: Sequence[Node], position: Affine, size: int) -> int | None:
    """How far before the first element the tests let a position lie; `None` where they say
    something else than that the element is there."""
    least: set[int] = set()
    end: set[int] = set()
    for test in tests:
        bound = _bound(test, position)
        if bound is not None:
            (least if bound[0] == "from" else end).add(bound[1])
    if len(least) > 1 or len(end) > 1:
        return None
    before = next(iter(least), 0)
    return before if not end or end == {before + size} else None


def _bound(test: Node, position: Affine) -> tuple[str, int] | None:
    """`a <= position` as ("from", a), `position < b` as ("to", b)."""
    if not isinstance(test, Apply) or test.name not in ("less", "less_equal"):
        return None
    left, right = test.args
    strict = test.name == "less"
    if isinstance(left, Const) and isinstance(right, Index):
        if right.value.factors == position.factors:
            return "from", int(left.value) + strict - right.value.const
    elif (
        isinstance(left, Index)
        and isinstance(right, Const)
        and left.value.factors == position.factors
    ):
        return "to", int(right.value) + (not strict) - left.value.const
    return None


def _tests_of(window: Window, tests: Sequence[Node]) -> int:
    position = Affine({window.out: window.stride, window.inner: window.dilation})
    return sum(_bound(test, position) is not None for test in tests)


def attributes_of(windows: Sequence[Window]) -> dict[str, Any]:
    before = [window.before for window in windows]
    after = [max(window.after, 0) for window in windows]
    return {
        "strides": [window.stride for window in windows],
        "padding": [*before, *after],
        "dilation": [window.dilation for window in windows],
    }


def worth_saying(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes worth saying: those that are not the usual ones."""
    usual = {"strides": 1, "padding": 0, "dilation": 1}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
        if not (name in usual and set(value) == {usual[name]})
        and not (name == "groups" and value == 1)
    }


def data_of(
    emitter: Emitter, slid: tuple[Sliding, Node], count: Sequence[Axis], channels: Sequence[Axis]
) -> Value:
    """What the windows slide along, as (count, channels, a dimension for each window)."""
    (about, node) = slid
    lines = [Axis(window.out.name + "w", window.size) for window in about.windows]
    address = Affine({axis: about.read.address.factor(axis) for axis in about.plain})
    for window, line in zip(about.windows, lines, strict=True):
        address = address + Affine.of(line) * window.unit
    whole = replace(about.read, address=address)
    data = terms.rebuild(node, lambda one: whole if one is about.read else None)
    return emitter.grouped(data, count, channels, *([line] for line in lines))


def over_windows(
    emitter: Emitter,
    axes: Axes,
    value: Value,
    windows: Sequence[Window],
    leading: tuple[Sequence[Axis], Sequence[Axis]],
) -> Value:
    """(count, channels, windows) as a value over `axes`, without windows that nothing reads."""
    shape = emitter.shape(value)
    extents = [*shape[:2], *(window.out.extent for window in windows)]
    value = emitter.sliced(value, shape, [0] * len(shape), extents)
    return emitter.ungrouped(value, axes, *leading, *([window.out] for window in windows))
