"""Reductions over axes: sum, mean, prod, max, min; argmax and argmin; cumulative sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tvm import relax

from . import terms
from .affine import Affine, Axis
from .arguments import OPERATORS, argument_of, place_or
from .emitter import Axes, Emitter, Value
from .guards import ENDLESS
from .meaning import unary_name
from .terms import Apply, Const, Index, Node, Reduce, parts_of, substitute

_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": relax.op.sum,
    "prod": relax.op.prod,
    "max": relax.op.max,
    "min": relax.op.min,
}


def mean(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """A sum over n elements, divided by n."""
    if not isinstance(node, Apply):
        return None
    total = parts_of(node)[0] if len(parts_of(node)) == 1 else None
    if not isinstance(total, Reduce) or total.op != "sum":
        return None
    count = math.prod(axis.extent for axis in total.over)
    found = unary_name(node, total)
    if count == 1 or found is None or found[0] != "multiply":
        return None
    if not math.isclose(found[1]["constant"], 1 / count, rel_tol=1e-5):
        return None
    return _reduced(emitter, total, axes, "mean", relax.op.mean)


def reduction(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Any reduction over axes."""
    if not isinstance(node, Reduce):
        return None
    return _reduced(emitter, node, axes, node.op, _REDUCTIONS[node.op])


def _reduced(
    emitter: Emitter, node: Reduce, axes: Axes, name: str, make: Callable[..., Any]
) -> Value:
    free = tuple(axis for axis in axes if axis in node.axes)
    # In the order in which they lie in memory, as far as the first read tells.
    inner = tuple(_in_memory_order(node, (*free, *node.over)))
    given = emitter.over(node.body, inner)
    over = [place for place, axis in enumerate(inner) if axis in node.over]
    value = emitter.op(make(given, axis=over))
    emitter.record(name, [given], value, axis=tuple(over))
    kept = [axis for axis in inner if axis not in node.over]
    return emitter.arranged(value, kept, axes)


def _in_memory_order(node: Reduce, axes: Axes) -> list[Axis]:
    from .terms import Read, walk

    strides: dict[Axis, int] = {}
    for one in walk(node.body):
        if isinstance(one, Read):
            for axis in one.address.axes:
                strides.setdefault(axis, abs(one.address.factor(axis)))
    return sorted(axes, key=lambda axis: -strides.get(axis, 0))


_ARGUMENTS: Mapping[str, Callable[..., Any]] = {"max": relax.op.argmax, "min": relax.op.argmin}


def argument(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """The place of an extremum, and what is computed from it."""
    inner = place_or(node, ENDLESS)
    if inner is not None:
        return emitter.emit(inner, axes)
    found = argument_of(node, ENDLESS)
    if found is None:
        return None
    free = tuple(axis for axis in axes if axis in found.value.axes and axis not in found.over)
    given = emitter.grouped(found.value, *([axis] for axis in free), found.over)
    value = emitter.op(_ARGUMENTS[found.op](given, axis=len(free)))
    value = emitter.op(relax.op.astype(value, node.dtype))
    emitter.record(OPERATORS[found.op], [given], value, axis=len(free), keepdims=False)
    value = emitter.arranged(value, free, axes)
    if found.step != 1:
        scaled = emitter.op(relax.op.multiply(value, relax.const(found.step, node.dtype)))
        emitter.record("multiply", [value], scaled, constant=found.step)
        value = scaled
    if found.base.factors or found.base.const:
        base = emitter.emit(terms.index(found.base, node.dtype), axes)
        moved = emitter.op(relax.op.add(value, base))
        emitter.record("add", [value, base], moved)
        value = moved
    return value


def cumulative(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Sum{k} (k <= i ? x[k] : 0)   ->   cumsum(x)[i]"""
    if not isinstance(node, Reduce) or node.op not in ("sum", "prod") or len(node.over) != 1:
        return None
    body, (inner,) = node.body, node.over
    if not isinstance(body, Apply) or body.name != "select":
        return None
    test, value, other = body.args
    neutral = 0 if node.op == "sum" else 1
    if not isinstance(other, Const) or other.value != neutral or not isinstance(test, Apply):
        return None
    for axis in axes:
        exclusive = _until(test, inner, axis)
        if exclusive is not None and axis not in value.axes and inner.extent <= axis.extent:
            break
    else:
        return None
    if inner.extent + exclusive < axis.extent:
        return None
    # Written along `axis`, of which the last step of an exclusive sum is not read.
    along = substitute(value, {inner: Affine.of(axis)})
    place = axes.index(axis)
    given = emitter.over(along, axes)
    make = relax.op.cumsum if node.op == "sum" else relax.op.cumprod
    found = emitter.op(make(given, axis=place, dtype=node.dtype, exclusive=bool(exclusive)))
    name = "cumsum" if node.op == "sum" else "cumprod"
    emitter.record(name, [given], found, axis=place, exclusive=bool(exclusive))
    return found


def _until(test: Apply, inner: Axis, axis: Axis) -> int | None:
    """Whether a test says `inner <= axis` (0) or `inner < axis` (1)."""
    if test.name not in ("less", "less_equal"):
        return None
    sides = []
    for side in test.args:
        if not isinstance(side, Index):
            return None
        sides.append(side.value)
    room = sides[1] - sides[0]
    strict = test.name == "less"
    if room.factors != {axis: 1, inner: -1}:
        return None
    exclusive = strict - room.const
    return exclusive if exclusive in (0, 1) else None
