"""The leaf blocks of a raised function, read without a schedule.

`schedules.analysis` asks a schedule about loops; here only what a block computes matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

_COMBINERS = {tirx.Add: "+", tirx.Mul: "*", tirx.Max: "max", tirx.Min: "min"}


@dataclass(frozen=True, eq=False)
class Leaf:
    """`buffer[indices] = value`, or `buffer[indices] = op(buffer[indices], value)` from `init` on.

    `spatial` and `reduced` are the axes, each with its extent, in the block's order; those of
    extent one are gone. `ordered` ones are loops inside the block, which run as they stand.
    `guard` is in these axes. `op` is empty where nothing is reduced.
    """

    name: str
    buffer: Buffer
    indices: tuple[Expr, ...]
    spatial: tuple[tuple[Var, int], ...]
    reduced: tuple[tuple[Var, int], ...]
    ordered: tuple[tuple[Var, int], ...]
    op: str
    init: Expr | None
    value: Expr
    guard: tuple[Expr, ...]

    @property
    def axes(self) -> tuple[tuple[Var, int], ...]:
        return (*self.spatial, *self.reduced, *self.ordered)


def leaves_of(func: tirx.PrimFunc) -> tuple[Leaf, ...] | None:
    """The leaf blocks in program order; `None` where one is more than a single store, or a size is
    symbolic."""
    shapes = [param.shape for param in func.params if tirx.is_buffer_var(param)]
    if any(tir.as_const(extent) is None for shape in shapes for extent in shape):
        return None
    realizes: list[Any] = []
    tvm_ffi.structural_walk(func.body, [(s_tir.SBlockRealize, realizes.append)], order="pre")
    inner = [each for each in realizes if each.block.iter_vars or not _holds_blocks(each.block)]
    found = [_leaf(each) for each in inner]
    return None if not found or None in found else tuple(each for each in found if each)


def flat_address(buffer: Buffer, indices: tuple[Expr, ...]) -> Expr:
    """The place of an element in a buffer that lies in memory row by row."""
    address: Expr = tir.const(0, "int64")
    for extent, index in zip(buffer.shape, indices, strict=True):
        address = address * int(extent) + tirx.Cast("int64", index)
    return address


def size_of(buffer: Buffer) -> int:
    return math.prod(int(extent) for extent in buffer.shape)


def _holds_blocks(block: Any) -> bool:
    found: list[Any] = []
    tvm_ffi.structural_walk(block.body, [(s_tir.SBlockRealize, found.append)])
    return bool(found)


def _leaf(realize: Any) -> Leaf | None:
    block = realize.block
    store, ordered = block.body, []
    while isinstance(store, tirx.For) and store.kind == tirx.ForKind.SERIAL:
        if tir.as_const(store.min) != 0 or tir.as_const(store.extent) is None:
            return None
        ordered.append((store.loop_var, int(store.extent)))
        store = store.body
    if not isinstance(store, tirx.BufferStore) or _holds_blocks(block):
        return None
    spatial, reduced, loops = [], [], {}
    fixed: dict[Var, Expr] = {}
    for iterator, bound in zip(block.iter_vars, realize.iter_values, strict=True):
        extent = tir.as_const(iterator.dom.extent)
        if extent is None:
            return None
        if extent == 1:
            fixed[iterator.var] = tir.const(0, tir.dtype_of(iterator.var))
        elif not isinstance(bound, tirx.Var):
            return None
        elif iterator.iter_type == tirx.IterVar.DataPar:
            spatial.append((iterator.var, extent))
        elif iterator.iter_type == tirx.IterVar.CommReduce:
            reduced.append((iterator.var, extent))
        else:
            return None
        if isinstance(bound, tirx.Var):
            loops[bound] = fixed.get(iterator.var, iterator.var)
    tests = tir.conjuncts(tir.substitute(realize.predicate, loops))
    guard = tuple(test for test in tests if tir.as_const(test) != 1)
    indices = tuple(tir.substitute(index, fixed) for index in store.indices)
    value = tir.substitute(store.value, fixed)
    op, init = "", None
    if block.init is not None:
        op, value = _accumulated(store, value, indices)
        init = tir.substitute(block.init.value, fixed)
        if not op:
            return None
    elif reduced:
        return None
    elif ordered:
        op, value = _accumulated(store, value, indices)
        if any(load.source.same_as(store.buffer) for load in tir.loads(value)):
            return None
    name = str(block.name_hint)
    axes = tuple(spatial), tuple(reduced), tuple(ordered)
    return Leaf(name, store.buffer, indices, *axes, op, init, value, guard)


def _accumulated(store: Any, value: Expr, indices: tuple[Expr, ...]) -> tuple[str, Expr]:
    """The operation and what it adds to the stored element; empty where it is none."""
    op = _COMBINERS.get(type(value), "")
    if not op:
        return "", value
    for kept, added in ((value.a, value.b), (value.b, value.a)):
        if (
            isinstance(kept, tir.Load)
            and kept.source.same_as(store.buffer)
            and all(map(tir.same, kept.indices, indices))
        ):
            return op, added
    return "", value
