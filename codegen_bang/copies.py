"""Nests of two loops that copy a rectangle: one strided `__memcpy` instead of a loop of them.

for r in range(rows):                                   __memcpy(dst + ..., src + ..., n * 4, ...,
    for c in range(n):                          ->               64 * 4, width * 4, rows - 1)
        dst[r * 64 + c] = src[r * width + c]
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.dialects.bang import MAX_SEGMENTS

from .loops import Range, affine, conjuncts, depends, guarded_store, loads, substitute


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
