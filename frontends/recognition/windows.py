"""Convolutions and pooling: sums of products, or reductions, over windows that slide.

An output axis and a reduction axis that index one dimension together are a window:

    x[.., 3 i + 2 k - 1, ..]        stride 3, dilation 2, padding 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tvm import relax

from . import terms
from .affine import Affine, Axis
from .contraction import contraction_of
from .emitter import Axes, Emitter, Value
from .meaning import unary_name
from .terms import Apply, Const, Index, Node, Read, Reduce, parts_of


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


def sliding(node: Node, over: Sequence[Axis]) -> tuple[Sliding, Node] | None:
    """The windows of the one read in `node`, and `node` without the test that pads it."""
    node, tests = _unpadded(node)
    reads = [part for part in parts_of(node) if isinstance(part, Read)]
    if len(reads) != 1 or len(parts_of(node)) != 1 or reads[0].indices:
        return None
    (read,) = reads
    address = read.address
    if any(factor <= 0 for factor in address.factors.values()):
        return None
    axes = sorted(address.axes, key=lambda axis: (-address.factor(axis), axis in over))
    pairs = _pairs(axes, address, set(over))
    if not pairs:
        return None
    windows = _windows(read, axes, pairs, tests)
    if windows is None:
        return None
    paired = {axis for pair in pairs for axis in pair}
    return Sliding(read, windows, tuple(axis for axis in axes if axis not in paired)), node


def _pairs(axes: Sequence[Axis], address: Affine, over: set[Axis]) -> list[tuple[Axis, Axis]]:
    """Output axes each with the reduction axis that follows it in the order of strides."""
    pairs = []
    for place, inner in enumerate(axes):
        if inner in over and place and axes[place - 1] not in over:
            pairs.append((axes[place - 1], inner))
    exact = [address.factor(inner) * inner.extent == address.factor(out) for out, inner in pairs]
    # Windows that fill each other's steps may as well be dimensions of their own.
    if pairs and exact[0] and pairs[0][0] is axes[0] and len(pairs) > 1:
        pairs, exact = pairs[1:], exact[1:]
    return [] if all(exact) and len(pairs) < 2 else pairs


def _windows(
    read: Read, axes: Sequence[Axis], pairs: list[tuple[Axis, Axis]], tests: Sequence[Node]
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


def _unpadded(node: Node) -> tuple[Node, list[Node]]:
    """`node` without a test around its read, and the parts of the test."""
    if isinstance(node, Apply) and node.name == "select" and isinstance(node.args[2], Const):
        return node.args[1], _conjuncts(node.args[0])
    if isinstance(node, Apply) and node.name == "cast":
        inner, tests = _unpadded(node.args[0])
        return terms.apply("cast", [inner], node.dtype), tests
    return node, []


def _conjuncts(test: Node) -> list[Node]:
    if isinstance(test, Apply) and test.name == "and":
        return [each for arg in test.args for each in _conjuncts(arg)]
    return [test]


def _padding(tests: Sequence[Node], position: Affine, size: int) -> int | None:
    """How far before the first element the tests say that a position may lie; `None` where they
    say something else about it."""
    shifts = set()
    for test in tests:
        bound = _bound(test, position)
        if bound is not None:
            low, shift, limit = bound
            if low and limit != 0:
                return None
            if not low and limit != size:
                return None
            shifts.add(shift)
    return 0 if not shifts else -shifts.pop() if len(shifts) == 1 else None


def _bound(test: Node, position: Affine) -> tuple[bool, int, int] | None:
    """`0 <= position + shift` as (true, shift, 0), `position + shift < limit` as (false, ..)."""
    if not isinstance(test, Apply) or test.name not in ("less", "less_equal"):
        return None
    left, right = test.args
    strict = test.name == "less"
    if isinstance(left, Const) and isinstance(right, Index):
        if right.value.factors == position.factors:
            return True, right.value.const - int(left.value) - strict, 0
    elif (
        isinstance(left, Index)
        and isinstance(right, Const)
        and left.value.factors == position.factors
    ):
        shift = left.value.const
        return False, shift, int(right.value) + (not strict)
    return None


def _tests_of(window: Window, tests: Sequence[Node]) -> int:
    position = Affine({window.out: window.stride, window.inner: window.dilation})
    return sum(_bound(test, position) is not None for test in tests)


def with_channels(node: Reduce) -> Reduce:
    """`node` with channels that lie innermost as an axis of their own.

    Rows of a window and the channels of its elements are neighbours in memory, and so one axis at
    first: x[192 j + k], k < 128, is x[3 j + k_hi, k_lo] with 64 channels.
    """
    for one in terms.walk(node.body):
        if not isinstance(one, Read):
            continue
        factors = {axis: one.address.factor(axis) for axis in one.address.axes}
        for inner in node.over:
            unit = factors.get(inner, 0)
            steps = [f for axis, f in factors.items() if axis not in node.over and f > unit]
            if unit <= 0 or not steps or min(steps) % unit:
                continue
            channels = math.gcd(min(steps) // unit, inner.extent)
            if 1 < channels < inner.extent:
                high = Axis(inner.name + "k", inner.extent // channels)
                low = Axis(inner.name + "c", channels)
                digits = Affine({high: channels, low: 1})
                over = [each for each in node.over if each is not inner]
                body = terms.substitute(node.body, {inner: digits})
                return with_channels(replace(node, over=(*over, high, low), body=body))
    return node


def convolution(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Convolutions in one to three dimensions, in any layout; grouped and depthwise ones too."""
    if not isinstance(node, Reduce) or node.op != "sum":
        return None
    found = contraction_of(with_channels(node), axes)
    if found is None:
        return None
    for data, weight in ((found.left, found.right), (found.right, found.left)):
        slid = sliding(data, found.depth)
        if slid is None:
            continue
        windows = slid[0].windows
        if any(w.out in weight.axes or w.inner not in weight.axes for w in windows):
            continue
        inner = [window.inner for window in windows]
        count = [axis for axis in slid[0].plain if axis not in weight.axes]
        channels = [axis for axis in slid[0].plain if axis in found.depth]
        groups = list(found.batch)
        filters = [axis for axis in (*found.rows, *found.columns) if axis not in data.axes]
        if len(windows) > 3 or set(count) | set(channels) | set(groups) != set(slid[0].plain):
            continue
        x = _data(emitter, slid, count, [*groups, *channels])
        w = emitter.grouped(weight, [*groups, *filters], channels, *([axis] for axis in inner))
        convolve = (relax.op.nn.conv1d, relax.op.nn.conv2d, relax.op.nn.conv3d)[len(windows) - 1]
        size = math.prod(axis.extent for axis in groups)
        how = {**_attributes(windows), "groups": size}
        value = emitter.op(convolve(x, w, **how))
        value = _of_windows(emitter, axes, value, windows, (count, [*groups, *filters]))
        depthwise = size > 1 and not channels and not filters
        name = f"{'depthwise_' if depthwise else ''}conv{len(windows)}d"
        last = slid[0].read.address.factor(([*channels, *groups] or [windows[0].out])[-1])
        layout = "channels last" if last < windows[-1].unit else "channels first"
        inputs = [emitter.source(x), emitter.source(w)]
        emitter.record(name, inputs, value, **_said(how), layout=layout)
        if found.scale is None:
            return value
        scaled = emitter.op(relax.op.multiply(value, emitter.emit(found.scale, axes)))
        emitter.record("multiply", [value, "constant"], scaled)
        return scaled
    return None


def pooling(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """The greatest, least, sum or mean of windows."""
    divided = None
    if isinstance(node, Apply):
        parts = parts_of(node)
        if len(parts) != 1 or not isinstance(parts[0], Reduce) or parts[0].op != "sum":
            return None
        divided = unary_name(node, parts[0])
        reduced = parts[0]
    elif isinstance(node, Reduce):
        reduced = node
    else:
        return None
    count = math.prod(axis.extent for axis in reduced.over)
    if divided is not None and (
        divided[0] != "multiply"
        or not math.isclose(divided[1]["constant"], 1 / count, rel_tol=1e-5)
    ):
        return None
    if isinstance(node, Apply) and divided is None:
        return None
    slid = sliding(reduced.body, reduced.over) if reduced.op != "prod" else None
    if slid is None or {window.inner for window in slid[0].windows} != set(reduced.over):
        return None
    if "float" not in reduced.dtype and reduced.op == "sum":
        return None
    windows, plain = slid[0].windows, slid[0].plain
    if len(windows) > 3:
        return None
    x = _data(emitter, slid, [], plain)
    how = _attributes(windows)
    how["pool_size"] = [window.inner.extent for window in windows]
    dims = len(windows)
    most = (relax.op.nn.max_pool1d, relax.op.nn.max_pool2d, relax.op.nn.max_pool3d)[dims - 1]
    mean = (relax.op.nn.avg_pool1d, relax.op.nn.avg_pool2d, relax.op.nn.avg_pool3d)[dims - 1]
    if reduced.op == "max":
        name, value = "max_pool", emitter.op(most(x, **how))
    elif reduced.op == "min":
        least = emitter.op(most(emitter.op(relax.op.negative(x)), **how))
        name, value = "min_pool", emitter.op(relax.op.negative(least))
    else:
        name, value = "avg_pool", emitter.op(mean(x, **how, count_include_pad=True))
        if divided is None:
            factor = relax.const(float(count), reduced.dtype)
            name, value = "sum_pool", emitter.op(relax.op.multiply(value, factor))
    value = _of_windows(emitter, axes, value, windows, ([], plain))
    emitter.record(f"{name}{dims}d", [emitter.source(x)], value, **_said(how))
    return value


def _attributes(windows: Sequence[Window]) -> dict[str, Any]:
    before = [window.before for window in windows]
    after = [max(window.after, 0) for window in windows]
    return {
        "strides": [window.stride for window in windows],
        "padding": [*before, *after],
        "dilation": [window.dilation for window in windows],
    }


def _said(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes worth saying: those that are not the usual ones."""
    usual = {"strides": 1, "padding": 0, "dilation": 1}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
        if not (name in usual and set(value) == {usual[name]})
        and not (name == "groups" and value == 1)
    }


def _data(
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


def _of_windows(
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
