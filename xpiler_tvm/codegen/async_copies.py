"""What a loop copies to shared memory is on its way several steps before, without registers.

    for i:                              for s in 0 .. 1: shared[s] <~ x[s]; commit
      barrier                           for i:
      shared = x[i]                       wait for all but 1 group
      barrier               ->            barrier
      work on shared                      if (i + 2 < n) shared[(i + 2) % 3] <~ x[i + 2]
                                          commit
                                          work on shared[i % 3]

with 3 stages: `<~` is a copy that goes on while the thread does (`cp.async`), of 4, 8 or 16 bytes.
A stage is overwritten a barrier after the last step that read it. All shared arrays then lie in
dynamic shared memory, of which a block may have more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm.schedules.gpu_device import STAGES

from .lanes import vector_copy
from .lower import DeviceFunction
from .prefetch import Parts, at_step, has_steps, origin, parts_of, sequence

ASYNC = "xpiler.async"
"""The annotation of a loop over a vector that is copied asynchronously."""

COMMIT, WAIT = "cp_async_commit", "cp_async_wait"
"""External functions: the copies so far are a group; wait for all but the last groups."""

_ALIGNMENT = 128
"""Of arrays in dynamic shared memory: their banks then begin alike."""


def pipelined(function: DeviceFunction, most_bytes: int) -> DeviceFunction:
    """The kernel with the copies of its loop of several `STAGES` ahead, or as it was.

    `most_bytes` is what a block may have of shared memory: there are fewer stages where they would
    not fit.
    """
    loops: list[tirx.For] = []
    tvm_ffi.structural_walk(function.body, [(tirx.For, loops.append)])
    marked = [loop for loop in loops if STAGES in loop.annotations]
    if len(marked) != 1 or not has_steps(marked[0]):
        return function
    (loop,) = marked
    parts = parts_of(loop.body)
    copies = None if parts is None else _asynchronous(function, parts)
    if parts is None or copies is None:
        return function
    staged = [each.buffer for each in parts.declared if _is_shared(each.buffer)]
    others = [each for each in _allocated(function.body) if not _among(each, staged)]
    wanted = min(int(loop.annotations[STAGES]), int(loop.extent))
    one, rest = (sum(map(_bytes, buffers)) for buffers in (staged, others))
    stages = next((n for n in range(wanted, 1, -1) if n * one + rest <= most_bytes), 0)
    if not stages:
        return function
    several = [_Staged(buffer, _times(buffer, stages), stages) for buffer in staged]
    dynamic: dict[tvm.ir.Var, int] = {}
    size = 0
    for buffer in (*(each.stages for each in several), *others):
        dynamic[buffer] = size
        size += _bytes(buffer)

    def new(node: tirx.For) -> tirx.Stmt:
        return _ahead(loop, parts, copies, several) if node.same_as(loop) else node

    body = tvm_ffi.structural_map(function.body, (tirx.For, new), order="post")
    return replace(function, body=body, dynamic=dynamic, shared_bytes=size)


@dataclass(frozen=True)
class _Staged:
    """An array of one step, and the array of several of them."""

    one: tirx.Buffer
    stages: tirx.Buffer
    count: int

    def offset(self, step: tvm.ir.Expr) -> tvm.ir.Expr:
        size = int(self.one.shape[0])
        return tvm.sym.Analyzer().simplify(tirx.floormod(step, self.count) * size)

    def used(self, stmt: tirx.Stmt, step: tvm.ir.Expr) -> tirx.Stmt:
        """The statement on the stage of a step."""
        offset = self.offset(step)

        def store(node: tirx.BufferStore) -> tirx.BufferStore:
            if not node.buffer.same_as(self.one):
                return node
            return tirx.BufferStore(self.stages, node.value, [node.indices[0] + offset])

        def load(node: tvm.ir.TensorLoad) -> tvm.ir.Expr:
            return self.stages[node.indices[0] + offset] if node.source.same_as(self.one) else node

        def pointer(node: tvm.ir.Call) -> tvm.ir.Expr:
            if getattr(node.op, "name", "") != "tirx.tvm_access_ptr":
                return node
            kind, data, start, *rest = node.args
            if not data.args[0].same_as(self.one):
                return node
            moved = tvm.ir.Call(data.op, [self.stages], data.attrs, data.ty_args, None, data.ty)
            args = [kind, moved, start + offset, *rest]
            return tvm.ir.Call(node.op, args, node.attrs, node.ty_args, None, node.ty)

        visits = [(tirx.BufferStore, store), (tvm.ir.TensorLoad, load), (tvm.ir.Call, pointer)]
        return tvm_ffi.structural_map(stmt, visits, order="post")


def _ahead(
    loop: tirx.For, parts: Parts, copies: Sequence[tirx.Stmt], several: Sequence[_Staged]
) -> tirx.Stmt:
    count = several[0].count
    dtype = str(loop.loop_var.ty.dtype)

    def on_stage(stmt: tirx.Stmt, step: tvm.ir.Expr) -> tirx.Stmt:
        for each in several:
            stmt = each.used(stmt, step)
        return stmt

    def fetch(step: tvm.ir.Expr) -> tirx.Stmt:
        return sequence(on_stage(at_step(copy, loop, step), step) for copy in copies)

    following = loop.loop_var + tirx.const(count - 1, dtype)
    body = [
        _call(WAIT, count - 2),
        parts.barrier,
        tirx.IfThenElse(following < loop.extent, fetch(following), None),
        _call(COMMIT),
        *(on_stage(stmt, loop.loop_var) for stmt in parts.work[1:]),
    ]
    before = [
        stmt
        for step in range(count - 1)
        for stmt in (fetch(tirx.const(step, dtype)), _call(COMMIT))
    ]
    kept = [each for each in parts.declared if not _is_shared(each.buffer)]
    return tirx.SeqStmt(
        [
            *kept,
            *(tirx.AllocBuffer(each.stages) for each in several),
            *before,
            tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, tirx.SeqStmt(body)),
        ]
    )


def _call(name: str, *args: int) -> tirx.Stmt:
    return tirx.Evaluate(tirx.call_extern("int32", name, *args))


def _asynchronous(function: DeviceFunction, parts: Parts) -> list[tirx.Stmt] | None:
    """The copies with their vectors marked; None where one moves no vector of memory."""
    stores: list[tirx.BufferStore] = []
    tvm_ffi.structural_walk(function.body, [(tirx.BufferStore, stores.append)])
    written = {origin(store.buffer, function.body) for store in stores}
    analyzer = _knowing(function)
    marked: list[tirx.Stmt] = []
    for copy in parts.copies:
        vectors: list[tirx.For] = []
        inside: list[tirx.BufferStore] = []
        tvm_ffi.structural_walk(
            copy, [(tirx.For, vectors.append), (tirx.BufferStore, inside.append)]
        )
        vectors = [each for each in vectors if each.kind == tirx.ForKind.VECTORIZED]
        found = vector_copy(vectors[0], analyzer) if len(vectors) == len(inside) == 1 else None
        if (
            found is None
            or not _is_shared(found.target)
            or str(found.source.scope()) not in ("", "global")
            or origin(found.source, function.body) in written
        ):
            return None
        marked.append(_with_mark(copy, vectors[0]))
    return marked


def _with_mark(copy: tirx.Stmt, vector: tirx.For) -> tirx.Stmt:
    def mark(loop: tirx.For) -> tirx.For:
        if not loop.same_as(vector):
            # Each thread's addresses differ by constants: a compiler keeps one of them.
            kind = tirx.ForKind.UNROLLED if loop.kind == tirx.ForKind.SERIAL else loop.kind
            return tirx.For(loop.loop_var, loop.min, loop.extent, kind, loop.body)
        notes = {**dict(loop.annotations), ASYNC: True}
        return tirx.For(
            loop.loop_var, loop.min, loop.extent, loop.kind, loop.body, annotations=notes
        )

    return tvm_ffi.structural_map(copy, (tirx.For, mark), order="pre")


def _knowing(function: DeviceFunction) -> tvm.sym.Analyzer:
    """An analyzer that knows the ranges of threads and of all loops."""
    analyzer = tvm.sym.Analyzer()
    for axis in function.axes.values():
        most = axis.extent if isinstance(axis.extent, int) else 2**31 - 1
        for var in axis.variables:
            analyzer.bind(var, tvm.ir.Range(0, most), allow_override=True)
    loops: list[tirx.For] = []
    tvm_ffi.structural_walk(function.body, [(tirx.For, loops.append)])
    for loop in loops:
        around = tvm.ir.Range.from_min_extent(loop.min, loop.extent)
        analyzer.bind(loop.loop_var, around, allow_override=True)
    return analyzer


def _allocated(body: tirx.Stmt) -> list[tirx.Buffer]:
    found: list[tirx.AllocBuffer] = []
    tvm_ffi.structural_walk(body, [(tirx.AllocBuffer, found.append)])
    return [each.buffer for each in found if _is_shared(each.buffer)]


def _is_shared(buffer: tirx.Buffer) -> bool:
    return str(buffer.scope()) == "shared"


def _among(buffer: tirx.Buffer, others: Sequence[tirx.Buffer]) -> bool:
    return any(buffer.same_as(each) for each in others)


def _times(buffer: tirx.Buffer, stages: int) -> tirx.Buffer:
    size = int(buffer.shape[0]) * stages
    return tirx.decl_buffer((size,), str(buffer.dtype), buffer.name, scope="shared")


def _bytes(buffer: tirx.Buffer) -> int:
    size = int(buffer.shape[0]) * tvm.DataType(str(buffer.dtype)).bits // 8
    return -(-size // _ALIGNMENT) * _ALIGNMENT
