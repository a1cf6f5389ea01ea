"""Sums of products: recognising them, and bringing them to one normal form.

A matrix product, a batched one, a convolution and a tensor contraction are the same to a schedule
once their indices are grouped by which operand they occur in:

    batch   in A, B and C        rows    in A and C
    columns in B and C           depth   in A and B, summed over
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from .analysis import Stage, collect, extent_of, mentions, stages
from .base import Declined
from .steps import inline_injective


@dataclass(frozen=True)
class Contraction:
    """`C[batch, rows, columns] += A[batch, rows, depth] * B[batch, depth, columns]`.

    Each group holds block iterators in their order in the block; `left` and `right` are the places
    of A and B among the block's reads. `left_runs` and `right_runs` say whether the operand lies in
    memory along `depth`, so that neighbours in depth are neighbours in memory.
    """

    stage: Stage
    left: int
    right: int
    left_runs: bool
    right_runs: bool
    batch: tuple[tirx.IterVar, ...]
    rows: tuple[tirx.IterVar, ...]
    columns: tuple[tirx.IterVar, ...]
    depth: tuple[tirx.IterVar, ...]

    def extents(self) -> tuple[int, int, int, int]:
        """The sizes of batch, rows, columns and depth."""
        groups = (self.batch, self.rows, self.columns, self.depth)
        batch, rows, columns, depth = (math.prod(extent_of(i.dom) for i in g) for g in groups)
        return batch, rows, columns, depth

    def lanes(self, place: int, most_bytes: int) -> int:
        """Elements of an operand (0: A, 1: B) that fill up to `most_bytes` and divide its rows."""
        source = self.stage.block.reads[self.right if place else self.left].source
        lanes = most_bytes * 8 // tvm.DataType(str(source.dtype)).bits
        while int(source.shape[-1]) % lanes:
            lanes //= 2
        return lanes


def contraction(stage: Stage) -> Contraction | Declined:
    """The stage as a sum of products, or why it is none."""
    block, store = stage.block, stage.block.body
    if not stage.is_reduction or not isinstance(store, tirx.BufferStore):
        return Declined(f"{stage.name} is no reduction")
    if not _is_zero(block.init):
        return Declined(f"{stage.name} does not start from zero")
    loads = _factors(store)
    if loads is None:
        return Declined(f"{stage.name} is no sum of products of two elements")
    left, right = loads
    if left.source.same_as(right.source):
        return Declined(f"{stage.name} multiplies an array with itself")

    groups: dict[str, list[tirx.IterVar]] = {"batch": [], "rows": [], "columns": [], "depth": []}
    for iterator in block.iter_vars:
        in_left, in_right, in_store = (
            any(mentions(index, iterator.var) for index in access.indices)
            for access in (left, right, store)
        )
        if iterator.iter_type == tirx.IterVar.CommReduce and not in_store:
            group = "depth"
        elif in_store and in_left and in_right:
            group = "batch"
        elif in_store and in_left:
            group = "rows"
        elif in_store and in_right:
            group = "columns"
        else:
            return Declined(f"{stage.name} repeats the same sum")
        groups[group].append(iterator)
    if not groups["rows"] or not groups["columns"]:
        return Declined(f"{stage.name} multiplies a matrix with a vector at most")
    places = [region.source for region in block.reads]
    find = [next(i for i, b in enumerate(places) if b.same_as(x.source)) for x in (left, right)]
    fixed = {name: tuple(members) for name, members in groups.items()}
    runs = [
        bool(x.indices) and any(mentions(x.indices[-1], i.var) for i in fixed["depth"])
        for x in (left, right)
    ]
    return Contraction(stage, find[0], find[1], runs[0], runs[1], **fixed)


def _is_zero(init: tirx.Stmt | None) -> bool:
    value = getattr(init, "value", None)
    return isinstance(value, (tirx.IntImm, tirx.FloatImm)) and float(value.value) == 0.0


def _factors(store: tirx.BufferStore) -> tuple[tvm.ir.TensorLoad, tvm.ir.TensorLoad] | None:
    """The two elements whose product, with casts anywhere, is added to the stored one."""
    if not isinstance(store.value, tirx.Add):
        return None
    for kept, added in ((store.value.a, store.value.b), (store.value.b, store.value.a)):
        product = _without_casts(added)
        if _is_load_of(kept, store) and isinstance(product, tirx.Mul):
            left, right = _without_casts(product.a), _without_casts(product.b)
            if isinstance(left, tvm.ir.TensorLoad) and isinstance(right, tvm.ir.TensorLoad):
                return left, right
    return None


def _without_casts(value: tvm.ir.Expr) -> tvm.ir.Expr:
    while isinstance(value, tirx.Cast):
        value = value.value
    return value


def _is_load_of(value: tvm.ir.Expr, store: tirx.BufferStore) -> bool:
    return isinstance(value, tvm.ir.TensorLoad) and value.source.same_as(store.buffer)


def find_contraction(sch: s_tir.Schedule) -> Contraction | Declined:
    """The one sum of products of a program whose other stages are all elementwise."""
    reducing = [stage for stage in stages(sch) if not stage.is_injective]
    if len(reducing) != 1:
        return Declined(f"there are {len(reducing)} stages that are not elementwise, not one")
    found = contraction(reducing[0])
    if isinstance(found, Declined):
        # The product may be a stage of its own, which inlining puts into the sum.
        inline_injective(sch)
        found = contraction(next(each for each in stages(sch) if not each.is_injective))
    return found


def normalize(sch: s_tir.Schedule, found: Contraction, apart: bool = False) -> SBlockRV:
    """Rewrite the block as `C[b, i, j] += A[b, i, k] * B[b, k, j]` over four loops b, i, j, k.

    With `apart` the axes of rows and of depth stay as many as they are. The operands are gathered
    by blocks of their own, which the caller inlines into whatever stages them; `C` is scattered to
    its place by one more.
    """
    block = found.stage.rv
    gather_left = sch.reindex(block, ("read", found.left))
    gather_right = sch.reindex(block, ("read", found.right))
    scatter = sch.reindex(block, ("write", 0))
    batch, columns = (found.batch,), (found.columns,)
    rows, depth = ([(each,) for each in g] if apart else [g] for g in (found.rows, found.depth))
    order = [iterator.var for iterator in found.stage.block.iter_vars]
    used_left = [v for v in order if _used(found, found.left, v)]
    used_right = [v for v in order if _among(v, (*batch, *columns)) or _used(found, found.right, v)]
    used_out = [v for v in order if _among(v, (*batch, *rows, *columns))]
    layouts = (
        (gather_left, ("write", 0), used_left, (*batch, *rows, *depth)),
        (gather_right, ("write", 0), used_right, (*batch, *depth, *columns)),
        (scatter, ("read", 0), used_out, (*batch, *rows, *columns)),
    )
    for where, buffer, used, groups in layouts:
        sch.transform_layout(where, buffer, _grouping(used, groups))
    sch.transform_block_layout(block, _grouping(order, (*batch, *rows, *columns, *depth)))
    return block


def _among(var: tirx.Var, groups: Sequence[Sequence[tirx.IterVar]]) -> bool:
    return any(var.same_as(iterator.var) for group in groups for iterator in group)


def _used(found: Contraction, place: int, var: tirx.Var) -> bool:
    buffer = found.stage.block.reads[place].source
    loads = collect(found.stage.block.body, tvm.ir.TensorLoad)
    return any(
        mentions(index, var)
        for load in loads
        if load.source.same_as(buffer)
        for index in load.indices
    )


def _grouping(order: Sequence[tirx.Var], groups: Sequence[Sequence[tirx.IterVar]]) -> tirx.IndexMap:
    """The map that takes iterators in `order` to one index for each group, row-major within it."""
    inputs = [tirx.Var(var.name, "int32") for var in order]
    outputs: list[tvm.ir.Expr] = []
    for group in groups:
        index: tvm.ir.Expr = tirx.IntImm("int32", 0)
        for iterator in group:
            for var, new in zip(order, inputs, strict=True):
                if var.same_as(iterator.var):
                    index = index * iterator.dom.extent + new
        outputs.append(tvm.sym.Analyzer().simplify(index))
    return tirx.IndexMap(inputs, outputs, None)
