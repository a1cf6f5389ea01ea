"""Square tiles that are transposed: read and written by vectors, exchanged in registers.

    for i in n: for j in n: y[j, i] = x[i, j]

    ->  r0 = x[0, 0:n]; ...; r7 = x[7, 0:n]
        s0, s1 = [r0[0], r1[0], r0[2], r1[2], ...], [r0[1], r1[1], r0[3], r1[3], ...]; ...
        (the same with the vectors 2 and 4 apart, by pairs and fours of elements)
        y[0, 0:n] = ...

An element at a time would touch n lines of memory, often of one set of the cache, for n elements.
All of a tile is read before any of it is written, as an elementwise stage allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

Expr = tir.Expr

_MOST_BITS = 512
"""Of a vector; longer ones would have to be taken apart again."""
_ELEMENT_BITS = (32, 64)


def by_shuffles(body: tirx.Stmt) -> tirx.Stmt:
    """The program with its transposed tiles so; anything else stays."""
    return tvm_ffi.structural_map(body, (tirx.For, _tile), order="post")


def _tile(outer: tirx.For) -> tirx.Stmt:
    inner = outer.body
    if not isinstance(inner, tirx.For) or not isinstance(inner.body, tirx.BufferStore):
        return outer
    store, value = inner.body, inner.body.value
    size, variables = tir.as_const(outer.extent), (outer.loop_var, inner.loop_var)
    if not isinstance(value, tir.Load) or value.source.same_as(store.buffer):
        return outer
    bits = tvm.DataType(tir.dtype_of(value)).bits
    if (
        size is None
        or size & (size - 1)
        or size < 4
        or tir.as_const(inner.extent) != size
        or tir.as_const(outer.min) != 0
        or tir.as_const(inner.min) != 0
        or bits not in _ELEMENT_BITS
        or size * bits > _MOST_BITS
    ):
        return outer
    across = _lies_along(value.indices, variables)
    along = _lies_along(store.indices, variables)
    if across is None or along is None or across.same_as(along):
        return outer
    return _exchanged(store, across, along, size)


def _lies_along(indices: Sequence[Expr], variables: Sequence[tirx.Var]) -> tirx.Var | None:
    """The variable along which neighbours are neighbours in memory, where the other is no part of
    the last index; `None` where there is none."""
    *outer, last = indices
    simplify = tvm.sym.Analyzer().simplify
    for var in variables:
        rest = simplify(last - var)
        if not any(tir.uses(index, [var]) for index in (*outer, rest)):
            return var
    return None


def _exchanged(store: tirx.BufferStore, across: tirx.Var, along: tirx.Var, size: int) -> tirx.Stmt:
    value = store.value

    dtype = f"{tir.dtype_of(value)}x{size}"

    def start(indices: Sequence[Expr], lanes: tirx.Var, row: tirx.Var, place: int) -> list[Expr]:
        zero = tirx.const(0, tir.dtype_of(lanes))
        at = {lanes: zero, row: tirx.const(place, tir.dtype_of(row))}
        return [tvm.sym.Analyzer().simplify(tir.substitute(index, at)) for index in indices]

    bound: list[tirx.Stmt] = []

    def named(value: Expr) -> Expr:
        name = tirx.Var("v", dtype)
        bound.append(tirx.Bind(name, value))
        return name

    rows = [
        named(value.source.vload(start(value.indices, across, along, place), dtype))
        for place in range(size)
    ]
    distance = 1
    while distance < size:
        for place in range(size):
            if not place & distance:
                pair = rows[place], rows[place + distance]
                for half in (0, distance):
                    lanes = [
                        half + lane + (size - distance if lane & distance else 0)
                        for lane in range(size)
                    ]
                    rows[place + half] = named(tirx.Shuffle(list(pair), lanes))
        distance *= 2
    stores = [
        store.buffer.vstore(start(store.indices, along, across, place), row)
        for place, row in enumerate(rows)
    ]
    return tirx.SeqStmt([*bound, *stores])
