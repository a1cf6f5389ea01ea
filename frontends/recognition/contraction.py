"""Sums of products of two operands: matrix products of all kinds.

Axes are grouped by where they occur, as `schedules.matmul` groups them:

    batch   in A, B and C        rows    in A and C
    columns in B and C           depth   in A and B, summed over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tvm import relax

from . import terms
from .affine import Axis
from .emitter import Axes, Emitter, Value
from .products import factors_of, product
from .rows import is_total_of
from .terms import Const, Node, Read, Reduce, parts_of


@dataclass(frozen=True)
class Contraction:
    """`scale * sum(left * right)`; the groups in the order of the axes they were given in."""

    left: Node
    right: Node
    scale: Node | None
    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    depth: tuple[Axis, ...]


def contraction_of(node: Node, axes: Axes) -> Contraction | None:
    """A reduction as a sum of products of two operands, over the axes that both share."""
    if not isinstance(node, Reduce) or node.op != "sum":
        return None
    body, dtype = node.body, node.body.dtype
    over = set(node.over)
    constant: list[tuple[Node, bool]] = []
    groups: list[tuple[frozenset[Axis], list[tuple[Node, bool]]]] = []
    for factor, inverse in factors_of(body):
        if inverse and "float" not in dtype:
            return None
        if not factor.axes & over:
            constant.append((factor, inverse))
        else:
            groups.append((factor.axes, [(factor, inverse)]))
    # What divides a factor by its own sum stays with it: together they are its share.
    for divisor in [factor for factor, inverse in constant if inverse]:
        for _, factors in groups:
            if not factors[0][1] and is_total_of(divisor, factors[0][0], node.over):
                factors.append((divisor, True))
                constant = [each for each in constant if each[0] is not divisor]
                break
    # What depends on no more axes than another factor is part of the same operand.
    groups.sort(key=lambda group: -len(group[0]))
    operands: list[tuple[frozenset[Axis], list[tuple[Node, bool]]]] = []
    for used, factors in groups:
        home = next((o for o in operands if used <= o[0] and len(groups) > 2), None)
        if home is None:
            operands.append((used, factors))
        else:
            home[1].extend(factors)
    if len(operands) != 2:
        return None
    left, right = (product(factors, dtype) for _, factors in operands)
    if left.key == right.key:
        return None
    out = [axis for axis in axes if axis in left.axes or axis in right.axes]
    depth = tuple(axis for axis in node.over if axis in left.axes and axis in right.axes)
    if len(depth) != len(node.over):
        return None
    rows = tuple(a for a in out if a in left.axes and a not in right.axes)
    columns = tuple(a for a in out if a in right.axes and a not in left.axes)
    batch = tuple(a for a in out if a in left.axes and a in right.axes)
    scale = product(constant, dtype) if constant else None
    return Contraction(left, right, scale, batch, rows, columns, depth)


def matmul(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Matrix products: batched or not, of vectors too; what scales the sum is applied after it."""
    found = contraction_of(node, axes)
    if found is None:
        return None
    order = {axis: place for place, axis in enumerate(axes)}
    first, second = found.rows, found.columns
    if second and (not first or order[first[0]] > order[second[0]]):
        found = replace(found, left=found.right, right=found.left, rows=second, columns=first)
    # The first axis of depth is the slowest in memory.
    depth = sorted(found.depth, key=lambda axis: -_stride(found.left, axis))
    left_groups = [group for group in (found.batch, found.rows, depth) if group]
    right_groups = [group for group in (found.batch, depth, found.columns) if group]
    if found.batch and not found.rows:
        left_groups = [found.batch, (), depth]
    if found.batch and not found.columns:
        right_groups = [found.batch, depth, ()]
    left = emitter.grouped(found.left, *left_groups)
    right = emitter.grouped(found.right, *right_groups)
    value = emitter.op(relax.op.matmul(left, right))
    attributes = {
        "transpose_a": _transposed(found.left, found.rows, depth),
        "transpose_b": _transposed(found.right, depth, found.columns),
        "accumulates": emitter.dtype(value),
    }
    name = "matmul" if found.rows and found.columns else "gemv" if found.rows else "dot"
    if found.batch:
        attributes["batch"] = _size(found.batch)
    inputs = [emitter.source(left), emitter.source(right)]
    out_groups = [group for group in (found.batch, found.rows, found.columns) if group]
    value = emitter.ungrouped(value, axes, *out_groups)
    emitter.record(name, inputs, value, **{k: v for k, v in attributes.items() if v})
    if found.scale is None:
        return value
    return scaled(emitter, axes, value, found.scale)


def scaled(emitter: Emitter, axes: Axes, value: Value, scale: Node) -> Value:
    """A sum times what does not depend on what is summed."""
    factor = emitter.emit(scale, axes)
    product = emitter.op(relax.op.multiply(value, factor))
    if isinstance(scale, Const):
        emitter.record("multiply", [value], product, constant=scale.value)
    else:
        emitter.record("multiply", [value, factor], product)
    return product


def _size(axes: Sequence[Axis]) -> int:
    size = 1
    for axis in axes:
        size *= axis.extent
    return size


def _stride(node: Node, axis: Axis) -> int:
    reads = [one for one in terms.walk(node) if isinstance(one, Read)]
    return max((one.address.factor(axis) for one in reads), default=0)


def _transposed(node: Node, first: Sequence[Axis], second: Sequence[Axis]) -> bool:
    """Whether an operand lies in memory with its second group of axes outside of the first."""
    parts = parts_of(node)
    if len(parts) != 1 or not isinstance(parts[0], Read) or not first or not second:
        return False
    address = parts[0].address
    return min(map(address.factor, second)) > max(map(address.factor, first))
