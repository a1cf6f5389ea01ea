"""Axes as a person would choose them.

    guard v < n                  ->  the axis has extent n
    block*256 + thread           ->  one axis           (fuse)
    f // 48, f % 48              ->  two axes           (split)
    blockIdx, threadIdx, chunk   ->  the order in which the output lies in memory

A change is kept only where it leaves no division in any expression of the tensor that was not
there before. Reads of a tensor follow its axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.comparisons import undivided
from xpiler_tvm.tir import Buffer, Expr, Var

from .invert import linear, upper_bound
from .tensors import (
    Axis,
    Graph,
    Output,
    Tensor,
    divisions,
    inner_parts,
    knowing,
    resimplified,
    rewritten,
    simplified,
    with_inner_parts,
)

SIZE_LIMIT = 4000  # expressions beyond this many characters are not worth reshaping


def canonical_axes(graph: Graph) -> Graph:
    """Every tensor and output over canonical axes."""
    moves: dict[Buffer, _Move] = {}
    tensors = []
    for old in graph.tensors:
        tensor = _reads_moved(old, moves)
        changed, coordinates, _ = _reshaped(tensor, None)
        if coordinates is not None:
            shape = [extent for _, extent in changed.axes] or [1]
            buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)
            moves[tensor.buffer] = _Move(tensor.axes, tuple(coordinates), buffer)
            changed = replace(changed, buffer=buffer)
        tensors.append(changed)
    outputs = []
    for output in graph.outputs:
        place = _moved(output.index, moves)
        tensor, _, index = _reshaped(_reads_moved(output.tensor, moves), place)
        outputs.append(Output(output.param, place if index is None else index, tensor))
    return Graph(tuple(tensors), tuple(outputs))


@dataclass(frozen=True, eq=False)
class _Move:
    """Where the point of a tensor's old axes lies in its new buffer."""

    axes: tuple[Axis, ...]
    coordinates: tuple[Expr, ...]
    buffer: Buffer


def _reads_moved(tensor: Tensor, moves: dict[Buffer, _Move]) -> Tensor:
    if not moves:
        return tensor
    return resimplified(rewritten(tensor, lambda expr, _: _moved(expr, moves)))


def _moved(expr: Expr, moves: dict[Buffer, _Move]) -> Expr:
    def change(load: Expr) -> Expr:
        move = moves.get(load.source)
        if move is None:
            return load
        point = {var: index for (var, _), index in zip(move.axes, load.indices, strict=False)}
        found = tuple(tir.substitute(c, point) for c in move.coordinates)
        return move.buffer[found or (tir.const(0, "int32"),)]

    return tir.map_loads(expr, change)


# ---------------------------------------------------------------- one tensor


@dataclass(eq=False)
class _Shape:
    """A tensor being reshaped: its expressions over the current axes, and the way from the old."""

    axes: list[Axis]
    reduced: list[Axis]
    exprs: list[Expr]
    guard: list[Expr]
    coordinates: list[Expr]
    changed: bool = field(default=False)
    fixed: frozenset[Var] = frozenset()  # axes that stay as they are: steps of a recurrence

    def with_substituted(
        self, mapping: dict[Var, Expr], axes: list[Axis], reduced: list[Axis]
    ) -> tuple[list[Expr], list[Expr]]:
        guard = [tir.substitute(test, mapping) for test in self.guard]
        with knowing([*axes, *reduced]) as plain:
            guard = [undivided(plain.simplify(test), plain) for test in guard]
        with knowing([*axes, *reduced], guard) as analyzer:
            exprs = [simplified(analyzer, tir.substitute(e, mapping)) for e in self.exprs]
        return exprs, guard


def _reshaped(tensor: Tensor, index: Expr | None) -> tuple[Tensor, list[Expr] | None, Expr | None]:
    """The tensor over canonical axes, the old-to-new coordinates (`None` where nothing changed),
    and the output's index."""
    inner = inner_parts(tensor)
    exprs = [tensor.value, *inner]
    if index is not None:
        exprs.append(index)
    inside = list(tensor.all_axes[len(tensor.axes) :])
    coordinates: list[Expr] = [var for var, _ in tensor.axes]
    fixed = frozenset(tensor.recurrence.variables) if tensor.recurrence else frozenset()
    shape = _Shape(list(tensor.axes), inside, exprs, list(tensor.guard), coordinates, fixed=fixed)
    _absorb_guards(shape)
    if index is not None:
        _order_by_stride(shape)
    for _ in range(16):
        if not (_fuse_any(shape) or _split_any(shape)):
            break
        _absorb_guards(shape)
    if index is not None:
        _order_by_stride(shape)
    value, *others = shape.exprs
    changed = replace(
        with_inner_parts(tensor, others[: len(inner)]),
        axes=tuple(shape.axes),
        value=value,
        guard=tuple(test for test in shape.guard if tir.as_const(test) != 1),
    )
    if changed.reduction is not None:
        reduction = replace(changed.reduction, axes=tuple(shape.reduced))
        changed = replace(changed, reduction=reduction)
    coordinates_ = shape.coordinates if shape.changed else None
    return changed, coordinates_, (None if index is None else others[-1])


def _absorb_guards(shape: _Shape) -> None:
    """`v < n` and `n1*v < n2` as smaller extents; guards that always hold go."""
    with knowing([*shape.axes, *shape.reduced]) as analyzer:
        tests = [part for test in shape.guard for part in tir.conjuncts(analyzer.simplify(test))]
    kept = []
    for test in tests:
        if tir.as_const(test) == 1:
            continue
        limit = _limit(test)
        for position, (var, extent) in enumerate(shape.axes):
            if limit is not None and limit[0].same_as(var):
                if limit[1] < extent:
                    shape.axes[position] = (var, max(limit[1], 1))
                    shape.changed = True
                break
        else:
            kept.append(test)
    shape.guard = kept
    while any(_shift_start(shape, test) for test in list(shape.guard)):
        pass
    for position in reversed(range(len(shape.axes))):
        var, extent = shape.axes[position]
        if extent == 1 and var not in shape.fixed:
            axes = shape.axes[:position] + shape.axes[position + 1 :]
            mapping = {var: tir.const(0, "int32")}
            shape.exprs, shape.guard = shape.with_substituted(mapping, axes, shape.reduced)
            shape.axes = axes
            del shape.coordinates[position]
            shape.changed = True
    ones = {var: tir.const(0, "int32") for var, extent in shape.reduced if extent == 1}
    if ones and not shape.fixed and len(ones) < len(shape.reduced):
        reduced = [axis for axis in shape.reduced if axis[0] not in ones]
        shape.exprs, shape.guard = shape.with_substituted(ones, shape.axes, reduced)
        shape.reduced = reduced


def _shift_start(shape: _Shape, test: Expr) -> bool:
    """`n <= v` as an axis that starts at n: `v` becomes `v + n`."""
    if isinstance(test, (tirx.LE, tirx.LT)) and isinstance(test.b, tirx.Var):
        var, least = test.b, tir.as_const(test.a)
        least = None if least is None else least + isinstance(test, tirx.LT)
    elif isinstance(test, (tirx.GE, tirx.GT)) and isinstance(test.a, tirx.Var):
        var, least = test.a, tir.as_const(test.b)
        least = None if least is None else least + isinstance(test, tirx.GT)
    else:
        return False
    for position, (axis, extent) in enumerate(shape.axes):
        if not axis.same_as(var) or least is None or not 0 < least < extent:
            continue
        fresh = tirx.Var(axis.name, "int32")
        axes = list(shape.axes)
        axes[position] = (fresh, extent - least)
        shape.guard = [other for other in shape.guard if other is not test]
        shape.exprs, shape.guard = shape.with_substituted({var: fresh + least}, axes, shape.reduced)
        shape.axes = axes
        shape.coordinates[position] = shape.coordinates[position] - least
        shape.changed = True
        return True
    return False


def _limit(test: Expr) -> tuple[Var, int] | None:
    """`(v, n)` where the test leaves v its first n values."""
    if isinstance(test, tirx.EQ) and isinstance(test.a, tirx.Var) and tir.as_const(test.b) == 0:
        return test.a, 1
    return upper_bound(test)


def _count(exprs: list[Expr], guard: list[Expr]) -> int:
    return sum(map(divisions, exprs)) + sum(map(divisions, guard))


def _fuse_any(shape: _Shape) -> bool:
    """Fuses one pair of axes where that costs no division."""
    for group, is_reduced in ((shape.axes, False), (shape.reduced, True)):
        for i, outer in enumerate(group):
            for j, inner in enumerate(group):
                if i != j and _try_fuse(shape, outer, inner, is_reduced):
                    return True
    return False


def _try_fuse(shape: _Shape, outer: Axis, inner: Axis, is_reduced: bool) -> bool:
    (o, n), (i, m) = outer, inner
    if o in shape.fixed or i in shape.fixed:
        return False
    if not _may_fuse(shape, o, i, m):
        return False
    fused = tirx.Var(_fused_name(o, i), "int32")
    group = shape.reduced if is_reduced else shape.axes
    at = min(group.index(outer), group.index(inner))
    rest = [axis for axis in group if axis is not outer and axis is not inner]
    new = [*rest[:at], (fused, n * m), *rest[at:]]
    axes, reduced = (shape.axes, new) if is_reduced else (new, shape.reduced)
    mapping = {o: tirx.floordiv(fused, m), i: tirx.floormod(fused, m)}
    exprs, guard = shape.with_substituted(mapping, axes, reduced)
    if _count(exprs, guard) > _count(shape.exprs, shape.guard):
        return False
    if not is_reduced:
        place_o, place_i = group.index(outer), group.index(inner)
        joint = shape.coordinates[place_o] * m + shape.coordinates[place_i]
        others = [c for k, c in enumerate(shape.coordinates) if k not in (place_o, place_i)]
        shape.coordinates = [*others[:at], joint, *others[at:]]
    shape.axes, shape.reduced, shape.exprs, shape.guard = axes, reduced, exprs, guard
    shape.changed = True
    return True


def _may_fuse(shape: _Shape, o: Var, i: Var, m: int) -> bool:
    """A cheap necessary condition: wherever the two meet linearly, it is as `o*m + i`."""
    for expr in (*shape.exprs, *shape.guard):
        for part in _integer_parts(expr):
            found = linear(part, [o, i])
            if found is not None and found[0][0] != found[0][1] * m:
                return False
    return True


def _integer_parts(expr: Expr) -> list[Expr]:
    """The index expressions and tests of an expression."""
    found: list[Expr] = []
    for load in tir.loads(expr):
        found.extend(load.indices)
    if tir.is_int(expr) and tir.dtype_of(expr) != "bool" and not tir.has_load(expr):
        found.append(expr)

    def compare(node: Expr) -> None:
        found.append(node.a)
        found.append(node.b)

    for kind in (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE):
        tvm_ffi.structural_walk(expr, [(kind, compare)], order="pre")
    return [part for part in found if tir.is_int(part) and not tir.has_load(part)]


def _fused_name(o: Var, i: Var) -> str:
    """Thread and block ids lose their names when they are fused; loop variables keep theirs."""
    ids = {"bx", "by", "bz", "tx", "ty", "tz"}
    if o.name in ids or i.name in ids:
        plain = [name for name in (o.name, i.name) if name not in ids]
        return plain[0] if plain else "i"
    return o.name


def _split_any(shape: _Shape) -> bool:
    """Splits one axis by the divisors of its quotients and remainders."""
    for group, is_reduced in ((shape.axes, False), (shape.reduced, True)):
        for axis in list(group):
            divisors: set[int] = set()
            if axis[0] in shape.fixed:
                continue
            for expr in (*shape.exprs, *shape.guard):
                divisors |= _divisors(expr, axis[0])
            for divisor in sorted(divisors, reverse=True):
                fits = 1 < divisor < axis[1] and axis[1] % divisor == 0
                if fits and _try_split(shape, axis, divisor, is_reduced):
                    return True
    return False


def _divisors(expr: Expr, var: Var) -> set[int]:
    found: set[int] = set()

    def visit(node: Expr) -> None:
        divisor = tir.as_const(node.b)
        if divisor is None or not tir.uses(node.a, [var]):
            return
        inner, scale = node.a, 1
        while isinstance(inner, FloorDiv) and tir.as_const(inner.b) is not None:
            scale *= tir.as_const(inner.b) or 1
            inner = inner.a
        parts = linear(inner, [var])
        if parts is None:
            found.add(divisor * scale)
            return
        coefficient = abs(parts[0][0]) or 1
        if (divisor * scale) % coefficient == 0:
            found.add(divisor * scale // coefficient)

    for kind in (FloorDiv, FloorMod):
        tvm_ffi.structural_walk(expr, [(kind, visit)], order="pre")
    return found


def _try_split(shape: _Shape, axis: Axis, divisor: int, is_reduced: bool) -> bool:
    var, extent = axis
    high = tirx.Var(var.name + "_o", "int32")
    low = tirx.Var(var.name + "_i", "int32")
    group = shape.reduced if is_reduced else shape.axes
    at = group.index(axis)
    new = [*group[:at], (high, extent // divisor), (low, divisor), *group[at + 1 :]]
    axes, reduced = (shape.axes, new) if is_reduced else (new, shape.reduced)
    exprs, guard = shape.with_substituted({var: high * divisor + low}, axes, reduced)
    if _count(exprs, guard) >= _count(shape.exprs, shape.guard):
        return False
    if not is_reduced:
        coordinate = shape.coordinates[at]
        shape.coordinates[at : at + 1] = [
            tirx.floordiv(coordinate, divisor),
            tirx.floormod(coordinate, divisor),
        ]
    shape.axes, shape.reduced, shape.exprs, shape.guard = axes, reduced, exprs, guard
    shape.changed = True
    return True


def _order_by_stride(shape: _Shape) -> None:
    """The output's axes from the largest stride to the smallest (an output has no readers)."""
    found = linear(shape.exprs[-1], [var for var, _ in shape.axes])
    if found is None:
        return
    order = sorted(range(len(shape.axes)), key=lambda k: -abs(found[0][k]))
    shape.axes = [shape.axes[k] for k in order]
    shape.coordinates = [shape.coordinates[k] for k in order]
