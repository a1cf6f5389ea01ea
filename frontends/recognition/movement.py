"""Operators that move elements: transpose, slice, broadcast, concat, pad."""

from __future__ import annotations

from tvm import relax

from . import terms
from .affine import Affine, Axis
from .emitter import Axes, Emitter, Value, digits_of
from .terms import Apply, Const, Index, Node, Read


def joined(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """A choice by a position along one axis: the two sides one behind the other.

    i < 7 ? a[i] : b[i - 7]   ->   concat(a, b)        1 <= i ? x[i - 1] : 0   ->   pad(x)
    """
    if not isinstance(node, Apply) or node.name != "select":
        return None
    test, yes, no = node.args
    if isinstance(test, Apply) and test.name == "and":
        inner = terms.apply("select", [test.args[1], yes, no], node.dtype)
        node = terms.apply("select", [test.args[0], inner, no], node.dtype)
        return emitter.emit(node, axes)
    found = _boundary(test)
    if found is None or found[0] not in axes:
        return None
    axis, at, first_is_yes = found
    first, second = (yes, no) if first_is_yes else (no, yes)
    place = axes.index(axis)
    low, high = Axis(axis.name + "b", at), Axis(axis.name + "e", axis.extent - at)
    parts = []
    for side, part, value in ((first, low, Affine.of(low)), (second, high, Affine.of(high) + at)):
        here = terms.substitute(side, {axis: value})
        rows = tuple(part if each is axis else each for each in axes)
        parts.append(emitter.over(here, rows))
    whole = emitter.op(relax.op.concat(parts, axis=place))
    constant = [isinstance(side, Const) for side in (first, second)]
    if any(constant):
        kept = constant.index(False) if not all(constant) else 0
        emitter.record("pad", _unpadded(emitter, parts[kept]), whole)
    else:
        emitter.record("concat", parts, whole, axis=place)
    return whole


def _unpadded(emitter: Emitter, value: Value) -> list[Value | str]:
    """What was padded, where the value is padded already along another axis."""
    for one in emitter.operators:
        if one.name == "pad" and one.output == emitter.name_of(value):
            emitter.operators.remove(one)
            return list(one.inputs)
    return [value]


def _boundary(test: Node) -> tuple[Axis, int, bool] | None:
    """The axis that a test divides, where, and whether it holds before that place."""
    if not isinstance(test, Apply) or test.name not in ("less", "less_equal"):
        return None
    left, right = test.args
    strict = test.name == "less"
    if isinstance(left, Index) and isinstance(right, Const):
        index, bound, before = left.value, int(right.value) + (not strict), True
    elif isinstance(left, Const) and isinstance(right, Index):
        index, bound, before = right.value, int(left.value) + strict, False
    else:
        return None
    if len(index.factors) != 1:
        return None
    ((axis, factor),) = index.factors.items()
    if not isinstance(axis, Axis) or factor <= 0:
        return None
    at = -((index.const - bound) // factor)  # the first place with factor * place + const >= bound
    return (axis, at, before) if 0 < at < axis.extent else None


def name_movement(emitter: Emitter, node: Node, axes: Axes, value: Value) -> None:
    """Records what a read that is a whole result does to its parameter."""
    if not isinstance(node, Read) or node.indices:
        return
    digits = digits_of(node.address, node.size)
    if digits is None:
        return
    found, shape, begins = digits
    order = [axes.index(axis) for axis in found if axis is not None]
    attributes: dict[str, object] = {}
    cut = any(
        axis is None or axis.extent != extent for axis, extent in zip(found, shape, strict=True)
    )
    name = "copy"
    if cut:
        name = "slice"
        attributes["begins"] = tuple(begins)
        attributes["of"] = tuple(shape)
    if any(axis not in node.axes for axis in axes):
        name = "broadcast"
    elif order != sorted(order):
        name = "transpose"
        attributes["axes"] = tuple(order.index(place) for place in range(len(order)))
        attributes.setdefault("of", tuple(shape))
    emitter.record(name, [node.name], value, **attributes)
