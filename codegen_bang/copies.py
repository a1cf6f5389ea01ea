"""Nests that copy a rectangle or a part of a box: one strided `__memcpy` instead of a loop of them.

for r in range(rows):                                   __memcpy(dst + ..., src + ..., n * 4, ...,
    for c in range(n):                          ->               64 * 4, width * 4, rows - 1)
        dst[r * 64 + c] = src[r * width + c]

for h, w, c:                                            if (t + 3 > 0)
    if 0 <= h + t and w < 7:                    ->          __memcpy(dst + ..., src + ..., 7 * c,
        dst[h, w, c] = src[h + t, w, c]                              ..., 8 * c, 7 * c, t + 2)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import tirx
from tvm.ir import Expr, TensorLoad, Var

from xpiler_tvm.dialects.bang import MAX_SEGMENTS

from .loops import Range, affine, conjuncts, depends, guarded_store, loads, substitute
from .nests import Nest, strides


@dataclass(frozen=True)
class Rectangle:
    """A place in an array: the index of the first element, and how far apart rows are."""

    buffer: tirx.Buffer
    first: Expr
    stride: int


@dataclass(frozen=True)
class BlockCopy:
    """`rows` rows of `length` elements each, if `conditions` hold."""

    target: Rectangle
    source: Rectangle
    rows: Expr
    length: Expr
    conditions: tuple[Expr, ...]


def rows_of(
    loop: tirx.For, analyzer: tvm.sym.Analyzer
) -> tuple[Range, Range, tirx.BufferStore] | None:
    """The ranges of two loops around one store, both guarded at most by intervals.

    All rows have the same range of columns.
    """
    guards: list[Expr] = []
    inner = loop.body
    while isinstance(inner, tirx.IfThenElse) and inner.else_case is None:
        guards += conjuncts(inner.condition)
        inner = inner.then_case
    found = guarded_store(inner, analyzer) if isinstance(inner, tirx.For) else None
    if found is None or (loop.step is not None and int(loop.step) != 1):
        return None
    columns, store = found
    whole = Range(loop.loop_var, loop.min, analyzer.simplify(loop.min + loop.extent))
    rows = whole.within([*guards, *columns.conditions], analyzer)
    if (
        rows is None
        or any(loads(condition) for condition in rows.conditions)
        or depends(columns.low, loop.loop_var)
        or depends(columns.high, loop.loop_var)
        or analyzer.const_int_bound(whole.high - whole.low).max_value > MAX_SEGMENTS
    ):
        return None
    return rows, columns, store


def block_copy(loop: tirx.For, analyzer: tvm.sym.Analyzer) -> BlockCopy | None:
    """What `loop` copies, where it and the loop in it copy rows, both sides without gaps in a row.

    Rows must not overlap.
    """
    found = rows_of(loop, analyzer)
    if found is None or not isinstance(found[2].value, TensorLoad):
        return None
    rows, columns, store = found
    most = analyzer.const_int_bound(columns.high - columns.low).max_value
    target = _rectangle(store.buffer, store.indices, rows, columns, analyzer)
    source = _rectangle(store.value.source, store.value.indices, rows, columns, analyzer)
    if target is None or source is None or min(target.stride, source.stride) < most:
        return None
    return BlockCopy(
        target,
        source,
        analyzer.simplify(rows.high - rows.low),
        analyzer.simplify(columns.high - columns.low),
        rows.conditions,
    )


@dataclass(frozen=True)
class Part:
    """Some steps along a dimension, each so many elements apart in the target and the source."""

    count: Expr
    target: int
    source: int


@dataclass(frozen=True)
class BoxCopy:
    """What a guarded nest copies, if `conditions` hold: `parts`, those farthest apart first.

    `lows` are variables of `firsts`, and what they stand for.
    """

    target: tirx.Buffer
    source: tirx.Buffer
    firsts: tuple[Expr, Expr]
    lows: tuple[tuple[Var, Expr], ...]
    parts: tuple[Part, ...]
    conditions: tuple[Expr, ...]


def box_copy(nest: Nest, analyzer: tvm.sym.Analyzer) -> BoxCopy | None:
    """The part of a box that a nest copies whose guards are intervals of its variables."""
    store, load = nest.store, nest.store.value
    if not isinstance(load, TensorLoad) or any(loads(guard) for guard in nest.guards):
        return None
    of_one: list[list[Expr]] = [[] for _ in nest.variables]
    conditions: list[Expr] = []
    for guard in nest.guards:
        used = [i for i, variable in enumerate(nest.variables) if depends(guard, variable)]
        if len(used) > 1:
            return None
        (of_one[used[0]] if used else conditions).append(guard)
    to = strides(store.indices, nest.variables, analyzer)
    of = strides(load.indices, nest.variables, analyzer)
    if to is None or of is None:
        return None
    zero = tirx.IntImm("int32", 0)
    parts: list[Part] = []
    firsts, lows = [to[1], of[1]], []
    for variable, extent, guards, *steps in zip(
        nest.variables, nest.extents, of_one, to[0], of[0], strict=True
    ):
        whole = Range(variable, zero, tirx.IntImm("int32", extent))
        span = whole.within(guards, analyzer)
        if span is None:
            return None
        conditions += span.conditions
        low = analyzer.simplify(span.low)
        parts.append(Part(analyzer.simplify(span.high - low), *steps))
        if not isinstance(low, tirx.IntImm):
            lows.append((tirx.Var("first", "int32"), low))
            low = lows[-1][0]
        firsts = [
            analyzer.simplify(first + low * step) for first, step in zip(firsts, steps, strict=True)
        ]
    return BoxCopy(
        store.buffer,
        load.source,
        (firsts[0], firsts[1]),
        tuple(lows),
        _merged(parts, analyzer),
        tuple(conditions),
    )


def _merged(parts: Sequence[Part], analyzer: tvm.sym.Analyzer) -> tuple[Part, ...]:
    """The same walk in as few parts as possible: what is whole joins what is around it."""
    found: list[Part] = []
    for outer in sorted(parts, key=lambda part: (part.target, part.source)):
        if isinstance(outer.count, tirx.IntImm) and int(outer.count) == 1:
            continue
        last = found[-1] if found else None
        if (
            last is not None
            and isinstance(last.count, tirx.IntImm)
            and outer.target == last.target * int(last.count)
            and outer.source == last.source * int(last.count)
        ):
            count = analyzer.simplify(outer.count * last.count)
            found[-1] = Part(count, last.target, last.source)
        else:
            found.append(outer)
    return tuple(reversed(found))


def _rectangle(
    buffer: tirx.Buffer,
    indices: list[Expr],
    rows: Range,
    columns: Range,
    analyzer: tvm.sym.Analyzer,
) -> Rectangle | None:
    (index,) = indices
    along = affine(index, columns.var, analyzer)
    if along is None or along[0] != 1:
        return None
    down = affine(along[1], rows.var, analyzer)
    if down is None:
        return None
    first = substitute(substitute(index, columns.var, columns.low), rows.var, rows.low)
    return Rectangle(buffer, analyzer.simplify(first), down[0])
