"""Tensors -> SBlock TensorIR: one block a tensor, in loops over its axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import (
    Alloc,
    Body,
    Branch,
    Loop,
    Program,
    Statement,
    Store,
    While,
    map_body,
    statements,
    to_stmt,
)
from .layout import coordinates_of, parameter_shapes
from .ordered import ordered_body
from .tensors import Graph, Tensor, combine, inner_parts, rewritten


def module_of(program: Program, graph: Graph) -> tvm.IRModule:
    """`to_blocks` as the `main` of a module."""
    return tvm.IRModule({"main": to_blocks(program, graph)})


def opaque_module(program: Program) -> tvm.IRModule:
    """`to_opaque` as the `main` of a module."""
    return tvm.IRModule({"main": to_opaque(program)})


def to_blocks(program: Program, graph: Graph) -> Any:
    """The PrimFunc of a graph, with N-D parameters. Raises nothing: every graph has this form."""
    flat: dict[Buffer, tuple[int, ...]] = {}
    for param, place in program.params:
        if tirx.is_buffer_var(place):
            flat[place] = getattr(param, "shape", None) or (int(place.shape[0]),)
    shapes = parameter_shapes(graph, flat)
    writer = _Writer(shapes)
    names = _Names(place.name for _, place in program.params)
    block_names = _Names(["root"])
    intermediates = {}
    for tensor in graph.tensors:
        shape = [extent for _, extent in tensor.axes] or [1]
        name = names.fresh(tensor.buffer.name)
        intermediates[tensor.buffer] = tirx.decl_buffer(shape, tensor.buffer.dtype, name)
    writer.intermediates = intermediates
    blocks = []
    for tensor in graph.tensors:
        target = intermediates[tensor.buffer]
        point = [var for var, _ in tensor.axes] or [tir.const(0, "int32")]
        blocks.append(writer.block(tensor, target, point, block_names.fresh(target.name)))
    for output in graph.outputs:
        target = shapes[output.param]
        index = coordinates_of(output.index, target, output.tensor, int(output.param.shape[0]))
        blocks.append(writer.block(output.tensor, target, index, block_names.fresh(target.name)))
    body = blocks[0] if len(blocks) == 1 else tirx.SeqStmt(blocks)
    params = [shapes.get(place, place) for _, place in program.params]
    return _function(params, body, list(intermediates.values()))


def to_opaque(program: Program) -> Any:
    """The whole kernel as one block over its outer parallel loops, the rest inside as it is.

    for bx: { alloc; A; B }   ->   for bx: sblock(bx) { A; B }
    """
    loops = parallel_loops(program)
    inner = to_stmt(_private(loops[-1].body if loops else program.body))
    params = [place for _, place in program.params]
    axes: list[tuple[Var, Expr | int]] = [
        (loop.var, tir.constant_or_self(loop.extent)) for loop in loops
    ]
    names = {var: tirx.Var("v" + var.name, "int32") for var, _ in axes}
    from tvm_ffi import structural_map

    inner = structural_map(inner, (tirx.Var, lambda var: names.get(var, var)))
    # What the block both reads and writes is listed as written alone: its instances, the blocks
    # or threads of the kernel, do not depend on each other.
    reads = [_whole_region(place) for param, place in _tensors(program) if not param.written]
    writes = [_whole_region(place) for param, place in _tensors(program) if param.written]
    block = s_tir.SBlock(
        [_iter(names[var], extent, tirx.IterVar.DataPar) for var, extent in axes],
        reads,
        writes,
        "kernel",
        inner,
    )
    body_ = s_tir.SBlockRealize([var for var, _ in axes], tir.const(True, "bool"), block)
    return _function(params, _loops(axes, body_), [])


def parallel_loops(program: Program) -> list[Loop]:
    """The outer loops of which iterations may run in any order."""
    loops: list[Loop] = []
    body = program.body
    # Atomics on global memory are ordinary updates here, so that nothing may run beside them.
    shared = any(_adds_to_global(statement) for statement in body)
    while not shared and len(body) == 1 and isinstance(body[0], Loop) and body[0].parallel:
        loops.append(body[0])
        body = body[0].body
    return loops


def _adds_to_global(statement: Statement) -> bool:
    if isinstance(statement, Store):
        return statement.atomic and statement.buffer.scope() not in ("local", "shared")
    if isinstance(statement, Branch):
        return any(map(_adds_to_global, (*statement.then, *statement.other)))
    return isinstance(statement, (Loop, While)) and any(map(_adds_to_global, statement.body))


def _private(body: Body) -> Body:
    """Shared memory as memory of the one thread that runs the block."""
    moved: dict[Buffer, Buffer] = {}

    def buffer(old: Buffer) -> Buffer:
        if old.scope() != "shared":
            return old
        if old not in moved:
            moved[old] = tirx.decl_buffer(old.shape, old.dtype, old.name, scope="local")
        return moved[old]

    def expr(old: Expr) -> Expr:
        return tir.map_loads(old, lambda load: buffer(load.source)[tuple(load.indices)])

    return map_body(body, expr, buffer)


def _tensors(program: Program) -> list[tuple[Any, Buffer]]:
    return [(param, place) for param, place in program.params if tirx.is_buffer_var(place)]


def _whole_region(buffer: Buffer) -> Any:
    return tirx.BufferRegion(buffer, [Range(0, extent) for extent in buffer.shape])


def _hull(
    buffer: Buffer, points: list[list[Expr]], analyzer: Any, inner: Iterable[Var] = ()
) -> Any:
    """The least box around elements for all values of the `inner` variables, and whole extents
    where that is not known."""
    ranges = []
    for extent, first, *others in zip(buffer.shape, *points, strict=True):
        if any(map(tir.has_load, (first, *others))):
            ranges.append(Range(0, extent))
            continue
        steps = [tir.as_const(analyzer.simplify(other - first)) for other in others]
        known = [step for step in steps if step is not None]
        if len(known) < len(steps) or any(tir.uses(index, inner) for index in (first, *others)):
            ranges.append(Range(0, extent))
            continue
        low, high = min([0, *known]), max([0, *known])
        ranges.append(Range.from_min_extent(analyzer.simplify(first + low), high - low + 1))
    return tirx.BufferRegion(buffer, ranges)


def _function(params: list[Any], body: Any, allocated: list[Buffer]) -> Any:
    root = s_tir.SBlock([], [], [], "root", body, alloc_buffers=allocated)
    realize = s_tir.SBlockRealize([], tir.const(True, "bool"), root)
    attrs = {"global_symbol": "main", "s_tir": True, "tirx.noalias": True}
    return tirx.PrimFunc(params, realize).with_attr(attrs)


def _iter(var: Var, extent: Expr | int, kind: int) -> Any:
    return tirx.IterVar(Range(0, extent), var, kind)


def _loops(axes: Sequence[tuple[Var, Expr | int]], body: Any) -> Any:
    for var, extent in reversed(axes):
        zero, size = tir.const(0, "int32"), tir.as_expr(extent)
        body = tirx.For(var, zero, size, tirx.ForKind.SERIAL, body)
    return body


class _Names:
    """Unique names for buffers and blocks."""

    def __init__(self, taken: Any) -> None:
        self.taken = set(taken)

    def fresh(self, hint: str) -> str:
        name, count = hint, 0
        while name in self.taken:
            count += 1
            name = f"{hint}_{count}"
        self.taken.add(name)
        return name


class _Writer:
    def __init__(self, shapes: dict[Buffer, Buffer]) -> None:
        self.shapes = shapes
        self.intermediates: dict[Buffer, Buffer] = {}

    def block(self, tensor: Tensor, target: Buffer, point: list[Expr], name: str) -> Any:
        """`target[point] = tensor` over the tensor's axes."""
        if tensor.recurrence is not None:
            return self._ordered_block(tensor, target, point, name)
        reduced = list(tensor.reduction.axes) if tensor.reduction else []
        spatial = list(tensor.axes)
        if not spatial and not reduced:
            # `rfactor` takes any block without a loop beside the one it works on for a mistake.
            spatial = [(tirx.Var("i", "int32"), 1)]
        names = _axis_names([var for var, _ in (*spatial, *reduced)])
        loops = [(tirx.Var(names[var], "int32"), extent) for var, extent in (*spatial, *reduced)]
        inside = {var: tirx.Var("v" + names[var], "int32") for var, _ in (*spatial, *reduced)}
        kinds = [tirx.IterVar.DataPar] * len(spatial) + [tirx.IterVar.CommReduce] * len(reduced)
        iters = [
            _iter(inside[var], extent, kind)
            for (var, extent), kind in zip((*spatial, *reduced), kinds, strict=True)
        ]
        at = [tir.substitute(self._reads(p, tensor), inside) for p in point]
        value = tir.with_known_bits(tir.substitute(self._reads(tensor.value, tensor), inside))
        init = None
        if tensor.reduction is not None:
            init = tirx.BufferStore(target, tir.substitute(tensor.reduction.init, inside), at)
            value = combine(tensor.reduction.op, target[tuple(at)], value)
        store = tirx.BufferStore(target, value, at)
        block = s_tir.SBlock(iters, [], [], name, store, init)
        reads, writes = self._regions(block, target, at)
        notes = {tir.KEPT: 1} if tensor.kept else None
        block = s_tir.SBlock(iters, reads, writes, name, store, init, annotations=notes)
        outer = {var: loop for (var, _), (loop, _) in zip((*spatial, *reduced), loops, strict=True)}
        predicate = tir.conjunction(
            tir.substitute(self._reads(test, tensor), outer) for test in tensor.guard
        )
        realize = s_tir.SBlockRealize([loop for loop, _ in loops], predicate, block)
        return _loops(loops, realize)

    def _ordered_block(self, tensor: Tensor, target: Buffer, point: list[Expr], name: str) -> Any:
        """The same of a recurrence: a block over the spatial axes, with the steps inside."""
        assert tensor.recurrence is not None
        inner = set(tensor.recurrence.variables)
        spatial = [axis for axis in tensor.axes if axis[0] not in inner]
        names = _axis_names([var for var, _ in spatial])
        loops = [(tirx.Var(names[var], "int32"), extent) for var, extent in spatial]
        inside = {var: tirx.Var("v" + names[var], "int32") for var, _ in spatial}
        iters = [_iter(inside[var], extent, tirx.IterVar.DataPar) for var, extent in spatial]

        def resolved(expr: Expr, _: Tensor) -> Expr:
            return tir.substitute(self._reads(expr, tensor), inside)

        done = rewritten(tensor, resolved)
        at = [resolved(index, tensor) for index in point]
        tests = [test for test in done.guard if tir.has_load(test) or tir.uses(test, inner)]
        body, local = ordered_body(done, target, at, tests)
        own = {cell.buffer for cell in tensor.recurrence.cells} | set(local)
        steps = statements(tensor.recurrence.body)
        own |= {one.buffer for one in steps if isinstance(one, Alloc)}
        analyzer = tir.analyzer_for({axis.var: axis.dom.extent for axis in iters})
        read: dict[Buffer, list[list[Expr]]] = {}
        for expr in (done.value, *inner_parts(done), *tests, *at):
            for load in tir.loads(expr):
                if load.source not in own and not _same_element(load, target, at):
                    read.setdefault(load.source, []).append(list(load.indices))
        reads = [_hull(buffer, points, analyzer, inner) for buffer, points in read.items()]
        writes = [_hull(target, [at], analyzer, inner)]
        guard = [
            test for test in tensor.guard if not tir.has_load(test) and not tir.uses(test, inner)
        ]
        if guard and target in self.intermediates.values():
            # Nothing reads elements beyond it, and a block without it covers what it writes.
            test = tir.substitute(tir.conjunction(guard), inside)
            body, guard = tirx.IfThenElse(test, body, None), []
        block = s_tir.SBlock(iters, reads, writes, name, body, alloc_buffers=local)
        outer = {var: loop for (var, _), (loop, _) in zip(spatial, loops, strict=True)}
        predicate = tir.conjunction(tir.substitute(test, outer) for test in guard)
        realize = s_tir.SBlockRealize([loop for loop, _ in loops], predicate, block)
        return _loops(loops, realize)

    def _regions(self, block: Any, target: Buffer, at: list[Expr]) -> tuple[list[Any], list[Any]]:
        """What the block reads and writes, one region an array: TVM's primitives want no more.

        An element that the block itself is about to overwrite is not listed as read: updates in
        place stay schedulable, and no other block is involved.
        """
        read: dict[Buffer, list[list[Expr]]] = {}
        for load in tir.loads(block.body.value):
            if not _same_element(load, target, at):
                read.setdefault(load.source, []).append(list(load.indices))
        analyzer = tir.analyzer_for({axis.var: axis.dom.extent for axis in block.iter_vars})
        reads = [_hull(buffer, points, analyzer) for buffer, points in read.items()]
        return reads, [_hull(target, [at], analyzer)]

    def _reads(self, expr: Expr, tensor: Tensor) -> Expr:
        """Reads of flat parameters and of tensors as reads of their N-D buffers."""
        from .layout import reads_under_guards

        guarded = {
            _key(load): holder
            for load, holder in reads_under_guards(expr, tensor, set(self.shapes))
        }

        def change(load: Expr) -> Expr:
            if load.source in self.intermediates:
                return self.intermediates[load.source][tuple(load.indices)]
            target = self.shapes.get(load.source)
            if target is None:
                return load
            holder = guarded.get(_key(load), tensor)
            size = int(load.source.shape[0])
            return target[tuple(coordinates_of(load.indices[0], target, holder, size))]

        return tir.map_loads(expr, change)


def _same_element(load: Expr, buffer: Buffer, point: list[Expr]) -> bool:
    return bool(load.source.same_as(buffer)) and all(map(tir.same, load.indices, point))


def _key(load: Expr) -> int:
    from tvm_ffi import structural_hash

    return hash((load.source, structural_hash(load.indices[0], map_free_vars=False)))


_IDS = ("bx", "by", "bz", "tx", "ty", "tz")


def _axis_names(variables: list[Var]) -> dict[Var, str]:
    """A name for each axis, unique within the block: the source's, or `i0`, `i1`, …"""
    names: dict[Var, str] = {}
    for position, var in enumerate(variables):
        made = var.name in _IDS or var.name.endswith(("_o", "_i"))
        name = f"i{position}" if made else var.name
        while name in names.values():
            name += "_"
        names[var] = name
    return names
