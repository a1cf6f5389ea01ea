"""What a loop copies from the device's memory to shared memory is on its way a step before.

    for i:                              next = x[0];
      barrier                           for i:
      shared = x[i];                      barrier
      barrier               ->            shared = next;
      work on shared                      barrier
                                          if (i + 1 < n) next = x[i + 1];
                                          work on shared

A thread waits for memory where it uses what it has loaded: here that is after the work. The copies
go through registers of each thread. Arrays that the kernel also writes are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from .lower import DeviceFunction

MOST_REGISTER_BYTES = 128
"""What one thread may hold of the next step."""


def prefetched(function: DeviceFunction) -> DeviceFunction:
    """The kernel with loads a step ahead, in its loops that copy, wait and work."""
    stores: list[tirx.BufferStore] = []
    tvm_ffi.structural_walk(function.body, [(tirx.BufferStore, stores.append)])
    written = {origin(store.buffer, function.body) for store in stores}

    def ahead(loop: tirx.For) -> tirx.Stmt:
        parts = parts_of(loop.body)
        if loop.kind != tirx.ForKind.SERIAL or not has_steps(loop) or parts is None:
            return loop
        moves = [_move(copy, function.body) for copy in parts.copies]
        plain = [move for move in moves if move is not None]
        if len(plain) != len(moves) or any(move.reads & written for move in plain):
            return loop
        if sum(move.bytes for move in plain) > MOST_REGISTER_BYTES:
            return loop
        return _ahead(loop, parts, plain)

    body = tvm_ffi.structural_map(function.body, (tirx.For, ahead), order="post")
    return replace(function, body=body)


def has_steps(loop: tirx.For) -> bool:
    """Whether a loop has a known number of steps, from 0 on, and more than one."""
    start, extent = loop.min, loop.extent
    known = isinstance(start, tirx.IntImm) and isinstance(extent, tirx.IntImm)
    return known and int(start) == 0 and int(extent) > 1


@dataclass(frozen=True)
class Parts:
    """The body of a loop: declarations, a barrier, copies, a barrier, work."""

    declared: list[tirx.Stmt]
    barrier: tirx.Stmt
    copies: list[tirx.Stmt]
    work: list[tirx.Stmt]


def parts_of(body: tirx.Stmt) -> Parts | None:
    """The parts of a loop's body, where it has them."""
    stmts = list(body.seq) if isinstance(body, tirx.SeqStmt) else []
    barriers = [place for place, stmt in enumerate(stmts) if _is_barrier(stmt)]
    if len(barriers) < 2:
        return None
    first, second = barriers[:2]
    declared, copies, work = stmts[:first], stmts[first + 1 : second], stmts[second:]
    if not copies or not all(isinstance(stmt, tirx.AllocBuffer) for stmt in declared):
        return None
    return Parts(declared, stmts[first], copies, work)


def _is_barrier(stmt: tirx.Stmt) -> bool:
    return (
        isinstance(stmt, tirx.Evaluate)
        and isinstance(stmt.value, tvm.ir.Call)
        and stmt.value.op.name == "tirx.tvm_storage_sync"
    )


@dataclass(frozen=True)
class _Move:
    """A copy to shared memory, as a load into registers and a store out of them."""

    registers: tirx.Buffer
    load: tirx.Stmt
    store: tirx.Stmt
    reads: set[tvm.ir.Var]

    @property
    def bytes(self) -> int:
        bits = int(self.registers.shape[0]) * tvm.DataType(str(self.registers.dtype)).bits
        return bits // 8


def _move(copy: tirx.Stmt, kernel: tirx.Stmt) -> _Move | None:
    """The copy in two parts; None where it is more than loops and tests around one store."""
    nest: list[tirx.For | tirx.IfThenElse] = []
    inner = copy
    place: tvm.ir.Expr = tirx.const(0, "int32")
    size = 1
    while not isinstance(inner, tirx.BufferStore):
        if isinstance(inner, tirx.For) and isinstance(inner.extent, tirx.IntImm):
            place = place * inner.extent + (inner.loop_var - inner.min)
            size *= int(inner.extent)
            nest.append(inner)
            inner = inner.body
        elif isinstance(inner, tirx.IfThenElse) and inner.else_case is None:
            nest.append(inner)
            inner = inner.then_case
        else:
            return None
    target = inner.buffer
    loads: list[tvm.ir.TensorLoad] = []
    tvm_ffi.structural_walk(inner.value, [(tvm.ir.TensorLoad, loads.append)])
    if not str(target.scope()).startswith("shared") or not loads:
        return None
    if any(str(load.source.scope()) not in ("", "global") for load in loads):
        return None
    index = [tvm.sym.Analyzer().simplify(place)]
    name = f"{target.name.removesuffix('_shared')}_next"
    registers = tirx.decl_buffer((size,), str(target.dtype), name, scope="local")
    load = _around(nest, tirx.BufferStore(registers, inner.value, index))
    store = _around(nest, tirx.BufferStore(target, registers[tuple(index)], list(inner.indices)))
    return _Move(registers, load, store, {origin(load.source, kernel) for load in loads})


def _around(nest: list[tirx.For | tirx.IfThenElse], body: tirx.Stmt) -> tirx.Stmt:
    for each in reversed(nest):
        if isinstance(each, tirx.IfThenElse):
            body = tirx.IfThenElse(each.condition, body, None)
            continue
        # What is indexed by the loop lies in registers, of which each has its own name.
        serial = each.kind == tirx.ForKind.SERIAL
        kind = tirx.ForKind.UNROLLED if serial else each.kind
        body = tirx.For(each.loop_var, each.min, each.extent, kind, body)
    return body


def _ahead(loop: tirx.For, parts: Parts, moves: list[_Move]) -> tirx.Stmt:
    zero, one = (tirx.const(number, str(loop.loop_var.ty.dtype)) for number in (0, 1))
    following = loop.loop_var + one
    body = [
        parts.barrier,
        *(move.store for move in moves),
        parts.work[0],
        tirx.IfThenElse(
            following < loop.extent, sequence(at_step(m.load, loop, following) for m in moves), None
        ),
        *parts.work[1:],
    ]
    return tirx.SeqStmt(
        [
            *parts.declared,
            *(tirx.AllocBuffer(move.registers) for move in moves),
            *(at_step(move.load, loop, zero) for move in moves),
            tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, tirx.SeqStmt(body)),
        ]
    )


def sequence(stmts: Iterable[tirx.Stmt]) -> tirx.Stmt:
    """The statements as one."""
    each = list(stmts)
    return each[0] if len(each) == 1 else tirx.SeqStmt(each)


def at_step(stmt: tirx.Stmt, loop: tirx.For, value: tvm.ir.Expr) -> tirx.Stmt:
    """A statement of a loop's body as it is in the step of that number."""

    def new(var: tirx.Var) -> tvm.ir.Expr:
        return value if var.same_as(loop.loop_var) else var

    return tvm_ffi.structural_map(stmt, (tirx.Var, new))


def origin(buffer: tvm.ir.Var, kernel: tirx.Stmt) -> tvm.ir.Var:
    """The parameter that a flat view is of, or the buffer itself."""
    views: list[tirx.DeclBuffer] = []
    tvm_ffi.structural_walk(kernel, [(tirx.DeclBuffer, views.append)])
    for view in views:
        if view.buffer.same_as(buffer) and isinstance(view.data, tvm.ir.Call):
            return view.data.args[0]
    return buffer
