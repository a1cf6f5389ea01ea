"""Programs as lists of nests: what forms of a program are made of, and made into a program again.

A *nest* is one leaf block of one store directly under loops of its own. Most raised programs are
nests one after the other; whatever else there is stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

from .analysis import collect, same_region

Iterators = tuple[tirx.IterVar, ...]


@dataclass(frozen=True, eq=False)
class Nest:
    """One leaf block of one store, directly under loops of its own, one for each iterator.

    `guard` is said in the block's iterators. `stmt` is the statement that it was read from, until
    something changes. What is `kept` is stored before it is read.
    """

    iterators: Iterators
    guard: tvm.ir.Expr
    store: tirx.BufferStore
    init: tirx.BufferStore | None
    reads: tuple[tvm.ir.TensorRegion, ...]
    writes: tuple[tvm.ir.TensorRegion, ...]
    name: str
    stmt: tirx.Stmt | None
    kept: bool = False

    @property
    def spatial(self) -> Iterators:
        return tuple(each for each in self.iterators if each.iter_type == tirx.IterVar.DataPar)

    @property
    def reduced(self) -> Iterators:
        return tuple(each for each in self.iterators if each.iter_type == tirx.IterVar.CommReduce)

    @property
    def body(self) -> list[tirx.BufferStore]:
        return [self.store] if self.init is None else [self.init, self.store]

    def loads(self) -> list[tvm.ir.TensorLoad]:
        """What it reads, its own accumulator apart."""
        return [load for load in tir.loads(self.store.value) if not self.is_own(load)]

    def is_own(self, load: tvm.ir.TensorLoad) -> bool:
        """Whether a load is of the element that is stored to."""
        same = tvm_ffi.structural_equal(list(load.indices), list(self.store.indices))
        return bool(load.source.same_as(self.store.buffer) and same)


Part: TypeAlias = Nest | tirx.Stmt


def with_regions(nest: Nest) -> Nest:
    """The nest with its regions read off its store, its accumulator apart."""
    place = nest.store.indices
    reads: list[tvm.ir.TensorRegion] = []
    for load in nest.loads():
        region = _point(load.source, load.indices)
        if any(tir.loads(index) for index in load.indices):
            region = tirx.BufferRegion(
                load.source, [tvm.ir.Range(0, extent) for extent in load.source.shape]
            )
        if not any(same_region(region, each) for each in reads):
            reads.append(region)
    return replace(nest, reads=tuple(reads), writes=(_point(nest.store.buffer, place),))


def _point(buffer: tirx.Buffer, indices: Sequence[tvm.ir.Expr]) -> tvm.ir.TensorRegion:
    ranges = [tvm.ir.Range.from_min_extent(index, 1) for index in indices]
    return tirx.BufferRegion(buffer, ranges)


def parts_of(mod: tvm.IRModule) -> list[Part]:
    """The statements of the root block in order, those that are plain nests as such."""
    return [_nest(stmt) or stmt for stmt in _sequence(mod["main"].body.block.body)]


def _sequence(stmt: tirx.Stmt) -> list[tirx.Stmt]:
    if isinstance(stmt, tirx.SeqStmt):
        return [inner for part in stmt.seq for inner in _sequence(part)]
    return [stmt]


def _nest(stmt: tirx.Stmt) -> Nest | None:
    loops: list[tirx.For] = []
    inner = stmt
    while isinstance(inner, tirx.For):
        if inner.kind != tirx.ForKind.SERIAL or tir.as_const(inner.min) != 0 or inner.annotations:
            return None
        loops.append(inner)
        inner = inner.body
    if not isinstance(inner, s_tir.SBlockRealize):
        return None
    block = inner.block
    plain = (
        isinstance(block.body, tirx.BufferStore)
        and (block.init is None or isinstance(block.init, tirx.BufferStore))
        and not block.alloc_buffers
        and not block.match_buffers
        and set(block.annotations) <= {tir.KEPT}
        and len(loops) == len(block.iter_vars)
    )
    if not plain:
        return None
    names: dict[tirx.Var, tirx.Var] = {}
    for loop, iterator, value in zip(loops, block.iter_vars, inner.iter_values, strict=True):
        kind = int(iterator.iter_type)
        if not value.same_as(loop.loop_var) or kind not in (
            tirx.IterVar.DataPar,
            tirx.IterVar.CommReduce,
        ):
            return None
        names[loop.loop_var] = iterator.var
        extent = tir.as_const(loop.extent)
        if extent is None or extent != tir.as_const(iterator.dom.extent):
            return None
    return Nest(
        tuple(block.iter_vars),
        tir.substitute(inner.predicate, names),
        block.body,
        block.init,
        tuple(block.reads),
        tuple(block.writes),
        str(block.name_hint),
        stmt,
        tir.KEPT in block.annotations,
    )


def program_of(
    mod: tvm.IRModule, parts: Sequence[Part], added: Sequence[tirx.Buffer] = ()
) -> tvm.IRModule:
    if all(not isinstance(part, Nest) or part.stmt is not None for part in parts):
        return mod
    func = mod["main"]
    root = func.body.block
    stmts = [_statement(part) if isinstance(part, Nest) else part for part in parts]
    body = stmts[0] if len(stmts) == 1 else tirx.SeqStmt(stmts)
    touched = [region.source for part in parts for region in regions_of(part)]
    arrays = [
        array
        for array in (*root.alloc_buffers, *added)
        if any(array.same_as(each) for each in touched)
    ]
    block = s_tir.SBlock([], [], [], root.name_hint, body, alloc_buffers=arrays)
    realize = s_tir.SBlockRealize([], tirx.const(True, "bool"), block)
    changed = tirx.PrimFunc(list(func.params), realize, func.ret_type, func.attrs)
    return tvm.IRModule({"main": changed}, attrs=mod.attrs)


def regions_of(part: Part) -> list[tvm.ir.TensorRegion]:
    """What a part reads and writes."""
    if isinstance(part, Nest):
        return [*part.reads, *part.writes]
    blocks = collect(part, s_tir.SBlock)
    return [region for block in blocks for region in (*block.reads, *block.writes)]


def _statement(nest: Nest) -> tirx.Stmt:
    if nest.stmt is not None:
        return nest.stmt
    loops = {
        each.var: tirx.Var(each.var.name.removeprefix("v") or "i", "int32")
        for each in nest.iterators
    }
    block = s_tir.SBlock(
        list(nest.iterators),
        list(nest.reads),
        list(nest.writes),
        nest.name,
        nest.store,
        nest.init,
        annotations={tir.KEPT: 1} if nest.kept else {},
    )
    guard = tir.substitute(nest.guard, loops)
    body: tirx.Stmt = s_tir.SBlockRealize(list(loops.values()), guard, block)
    for each in reversed(nest.iterators):
        zero = tirx.const(0, "int32")
        body = tirx.For(loops[each.var], zero, each.dom.extent, tirx.ForKind.SERIAL, body)
    return body
