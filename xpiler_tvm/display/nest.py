"""A module's loop nest as a tree, and the work that its statements ask for.

for i in 64 (blockIdx.x)                   Loop(i, 64, "blockIdx.x")
  A_shared: shared, 512 bytes       ->       Array(A_shared)
  for j in 128                               Loop(j, 128, "serial")
    block y: writes y, reads A_shared          Block(y)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tvm
from tvm import s_tir, tirx

from xpiler_tvm import tir

if TYPE_CHECKING:
    from xpiler_tvm.dialects.peaks import Peak

_KINDS = {
    tirx.ForKind.SERIAL: "serial",
    tirx.ForKind.PARALLEL: "parallel",
    tirx.ForKind.VECTORIZED: "vectorized",
    tirx.ForKind.UNROLLED: "unrolled",
}
_AT_ONCE = ("parallel", "vectorized")


@dataclass(frozen=True)
class Array:
    """An array that the program allocates: bytes are of the whole, before it is compacted."""

    name: str
    shape: tuple[str, ...]
    dtype: str
    scope: str
    bytes: int | None


@dataclass(frozen=True, eq=False)
class Block:
    """A leaf block, or a statement outside of one: `name` of it or of what it stores to."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    operations: int
    traffic: Mapping[str, int]
    """Bytes by scope that one iteration reads and writes."""


@dataclass(frozen=True, eq=False)
class Loop:
    """`extent` is `None` where only the data knows; `kind` a thread's tag where it is bound."""

    name: str
    extent: int | None
    kind: str
    children: tuple[Node, ...] = field(default=())

    @property
    def at_once(self) -> bool:
        return self.kind in _AT_ONCE or "." in self.kind


Node = Loop | Block | Array


def nest_of(mod: tvm.IRModule) -> tuple[Node, ...]:
    """The tree of `main`, arrays before what uses them."""
    return tuple(_nodes(mod["main"].body))


def bytes_of(dtype: str, shape: tuple[Any, ...]) -> int | None:
    """The size of an array; `None` where an extent is symbolic."""
    extents = [tir.as_const(extent) for extent in shape]
    known = [extent for extent in extents if extent is not None]
    if len(known) < len(extents):
        return None
    return math.prod(known) * ((tvm.DataType(dtype).bits + 7) // 8)


def _array(buffer: tir.Buffer) -> Array:
    shape = tuple(buffer.shape)
    dtype = str(buffer.dtype)
    texts = tuple(str(extent) for extent in shape)
    return Array(str(buffer.name), texts, dtype, str(buffer.scope()), bytes_of(dtype, shape))


def _nodes(stmt: Any) -> Iterator[Node]:
    match stmt:
        case None:
            return
        case tirx.SeqStmt():
            for part in stmt.seq:
                yield from _nodes(part)
        case tirx.For():
            kind = _KINDS.get(stmt.kind, "serial")
            if stmt.kind == tirx.ForKind.THREAD_BINDING:
                kind = str(stmt.thread_binding.thread_tag)
            extent = tir.as_const(stmt.extent)
            yield Loop(str(stmt.loop_var.name), extent, kind, tuple(_nodes(stmt.body)))
        case tirx.While():
            yield Loop("while", None, "serial", tuple(_nodes(stmt.body)))
        case s_tir.SBlockRealize():
            yield from map(_array, stmt.block.alloc_buffers)
            inner = tuple(_nodes(stmt.block.body))
            if len(inner) == 1 and isinstance(inner[0], Block):
                one = inner[0]
                name = str(stmt.block.name_hint)
                yield Block(name, one.reads, one.writes, one.operations, one.traffic)
            else:
                yield from inner
        case tirx.IfThenElse():
            yield from _nodes(stmt.then_case)
            yield from _nodes(stmt.else_case)
        case tirx.BufferStore():
            yield _block(stmt)
        case _:
            yield from _nodes(getattr(stmt, "body", None))


def _block(store: Any) -> Block:
    target = store.buffer if hasattr(store, "buffer") else store.source
    loads = tir.loads(store.value)
    traffic: dict[str, int] = {}
    for buffer in (target, *(load.source for load in loads)):
        scope = str(buffer.scope())
        traffic[scope] = traffic.get(scope, 0) + (tvm.DataType(str(buffer.dtype)).bits + 7) // 8
    reads = tuple(dict.fromkeys(str(load.source.name) for load in loads))
    name = str(target.name)
    return Block(name, reads, (name,), _operations(store.value), traffic)


_BINARY = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tirx.Max, tirx.Min)


def _operations(expr: Any) -> int:
    """Arithmetic on values; that on indices is not counted."""
    if isinstance(expr, tirx.Select):
        return sum(map(_operations, (expr.true_value, expr.false_value)))
    if isinstance(expr, tirx.Cast):
        return _operations(expr.value)
    if isinstance(expr, tvm.ir.Call):
        inner = [part for part in expr.args if isinstance(part, tvm.ir.Expr)]
        return 1 + sum(map(_operations, inner))
    if isinstance(expr, _BINARY):
        return 1 + _operations(expr.a) + _operations(expr.b)
    return 0


# ---------------------------------------------------------------- work


@dataclass(frozen=True)
class Work:
    """What a program asks for.

    Attributes
    ----------
    operations : on values, all iterations.
    traffic : bytes by scope that loads and stores ask for, as if there were no cache.
    parameters : bytes of the parameters, each once: what has to be moved at least.
    seconds : see `work_of`; `None` without a peak.
    parallel : the most iterations of a statement that run at a time.
    """

    operations: int
    traffic: Mapping[str, int]
    parameters: int
    seconds: float | None = None
    parallel: int = 1


def work_of(mod: tvm.IRModule, peak: Peak | None = None) -> Work:
    """Counts of all iterations, guards taken to hold, loops without an extent to run once.

    With a peak, each statement costs `max(operations / roof, global bytes / bandwidth)`, both
    lowered to the share of the device's lanes that its parallel loops fill. That orders the steps
    of a schedule; it foretells no time.
    """
    traffic: dict[str, int] = {}
    operations, seconds, most = 0, 0.0, 1
    for block, times, parallel in _statements(nest_of(mod), 1, 1):
        operations += times * block.operations
        for scope, size in block.traffic.items():
            traffic[scope] = traffic.get(scope, 0) + times * size
        most = max(most, parallel)
        if peak is not None:
            share = min(1.0, parallel / peak.lanes)
            moved = times * block.traffic.get("global", 0)
            seconds += max(
                times * block.operations / peak.operations / share, moved / peak.bandwidth / share
            )
    parameters = sum(
        bytes_of(str(param.dtype), tuple(param.shape)) or 0
        for param in mod["main"].params
        if tirx.is_buffer_var(param)
    )
    return Work(operations, traffic, parameters, seconds if peak else None, most)


def _statements(
    nodes: tuple[Node, ...], times: int, parallel: int
) -> Iterator[tuple[Block, int, int]]:
    for node in nodes:
        if isinstance(node, Block):
            yield node, times, parallel
        elif isinstance(node, Loop):
            extent = node.extent or 1
            at_once = parallel * extent if node.at_once else parallel
            yield from _statements(node.children, times * extent, at_once)
