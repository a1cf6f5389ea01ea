"""What the cores of a cluster share in SRAM: the memory core brings it while the others compute.

    for t: for s:                               if mpu: S[0] = B[0];  else: ...
        S = B[t, s]                             sync
        C += f(S)                 ->            for t: for s:          r = t * |s| + s
                                                    if mpu: if r + 1 < |t| * |s|: S[(r + 1) % 2] = B[r + 1]
                                                    else:   C += f(S[r % 2])
                                                    sync

A round is one iteration of the loops around the copies. In each the memory core fills one half of
what lies in SRAM and the others read the half that it filled in the round before; all meet at its
end, so that nobody fills what is being read. Where there is one round, one half is all there is.
Every core takes the same rounds: loops around a barrier have constant lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, Var

from xpiler_tvm.codegen.lower import DeviceFunction
from xpiler_tvm.errors import EmitError

from .loops import substitute

SRAM_SCOPE = "shared.sram"
"""The storage scope of what a cluster has in SRAM."""

IS_MEMORY_CORE = "__is_mpu"
"""The function whose value tells the memory core from the others."""


def is_memory_core(condition: Expr) -> bool | None:
    """Whether a condition holds on the memory core alone; `None` for one of another kind."""
    if isinstance(condition, tirx.Not):
        other = is_memory_core(condition.a)
        return None if other is None else not other
    if isinstance(condition, tvm.ir.Call) and condition.op.name.endswith("call_extern"):
        return True if condition.args[0].value == IS_MEMORY_CORE else None
    return None


def with_memory_core(function: DeviceFunction) -> DeviceFunction:
    """The kernel with a program for the memory core; as it is where nothing lies in SRAM.

    Raises `EmitError` XP4001 where what is brought into SRAM depends on the core, on data or on
    what the kernel writes, or is brought at several places.
    """
    body = function.body
    allocated = [each.buffer for each in _collect(body, tirx.AllocBuffer)]
    shared = [each for each in allocated if each.scope() == SRAM_SCOPE]
    if not shared:
        return function
    return replace(function, body=_Rounds(function, shared).run())


@dataclass(frozen=True)
class _Level:
    """What stands in a loop before and behind the next loop inwards."""

    loop: tirx.For | None
    before: tuple[tirx.Stmt, ...]
    behind: tuple[tirx.Stmt, ...]


class _Rounds:
    def __init__(self, function: DeviceFunction, shared: Sequence[tirx.Buffer]) -> None:
        self.function = function
        self.shared = shared
        self.analyzer = tvm.sym.Analyzer()

    def run(self) -> tirx.Stmt:
        heads: list[tirx.Stmt] = []
        body: tirx.Stmt = self.function.body
        while True:
            *views, last = _sequence(body)
            if not isinstance(last, tirx.AttrStmt):
                break
            heads += views
            heads.append(last)
            body = last.body
        levels, fills, work = self._levels(body)
        self._check(levels, fills)
        made = self._made(levels, fills, work)
        for head in reversed(heads):
            if isinstance(head, tirx.AttrStmt):
                made = tirx.AttrStmt(head.node, head.attr_key, head.value, made)
            else:
                made = tirx.SeqStmt([head, made])
        return made

    def _levels(
        self, body: tirx.Stmt
    ) -> tuple[list[_Level], tuple[tirx.Stmt, ...], tuple[tirx.Stmt, ...]]:
        """The loops around what fills SRAM; in the innermost what fills it, and all the rest."""
        levels: list[_Level] = []
        loop: tirx.For | None = None
        while True:
            parts = [part for part in _sequence(body) if not self._is_allocation(part)]
            filling = [place for place, part in enumerate(parts) if self._fills(part)]
            if all(self._only_fills(parts[place]) for place in filling):
                fills = tuple(parts[place] for place in filling)
                work = tuple(part for i, part in enumerate(parts) if i not in filling)
                return [*levels, _Level(loop, (), ())], fills, work
            place = filling[0]
            inner = parts[place]
            if len(filling) > 1 or not isinstance(inner, tirx.For):
                self._refuse("it is filled at several places")
            if inner.kind != tirx.ForKind.SERIAL or not isinstance(inner.extent, tirx.IntImm):
                self._refuse("it is filled in a loop of no constant length")
            levels.append(_Level(loop, tuple(parts[:place]), tuple(parts[place + 1 :])))
            loop, body = inner, inner.body

    def _is_allocation(self, part: tirx.Stmt) -> bool:
        return isinstance(part, tirx.AllocBuffer) and self._is_shared(part.buffer)

    def _is_shared(self, buffer: tirx.Buffer) -> bool:
        return any(buffer.same_as(each) for each in self.shared)

    def _fills(self, part: tirx.Stmt) -> bool:
        return any(self._is_shared(each.buffer) for each in _collect(part, tirx.BufferStore))

    def _only_fills(self, part: tirx.Stmt) -> bool:
        return all(self._is_shared(each.buffer) for each in _collect(part, tirx.BufferStore))

    def _check(self, levels: Sequence[_Level], fills: Sequence[tirx.Stmt]) -> None:
        """Whether what is brought in can be brought a round ahead, by a core of its own."""
        written = [each.buffer for each in _collect(self.function.body, tirx.BufferStore)]
        tasks = self.function.axes["blockIdx.x"].variables
        known: list[Var] = [*tasks, *(each.loop.loop_var for each in levels if each.loop)]
        known += [*self.function.params, *self.shared]
        views = _collect(self.function.body, tirx.DeclBuffer)
        known += [each.buffer for each in views]
        for part in fills:
            for load in _collect(part, tvm.ir.TensorLoad):
                if any(self._origin(each, views).same_as(self._origin(load.source, views)) for each in written):
                    self._refuse(f"{load.source.name!r}, which it is filled from, is written, too")
            own = [each.loop_var for each in _collect(part, tirx.For)]
            for var in _collect(part, Var):
                if not any(var.same_as(each) for each in (*known, *own)):
                    self._refuse(f"what it is filled with depends on {var.name!r}")

    def _origin(self, buffer: tirx.Buffer, views: Sequence[tirx.DeclBuffer]) -> tirx.Buffer:
        """The parameter that a buffer is a view of."""
        for view in views:
            if view.buffer.same_as(buffer):
                return view.data.args[0]
        return buffer

    def _made(
        self, levels: Sequence[_Level], fills: Sequence[tirx.Stmt], work: Sequence[tirx.Stmt]
    ) -> tirx.Stmt:
        loops = [each.loop for each in levels if each.loop is not None]
        extents = [int(loop.extent) for loop in loops]
        rounds, number = math.prod(extents), tirx.IntImm("int32", 0)
        for loop, extent in zip(loops, extents, strict=True):
            self.analyzer.bind(loop.loop_var, tvm.ir.Range(0, extent))
            number = number * extent + loop.loop_var
        halves = min(2, rounds)
        new = [
            tirx.decl_buffer((int(each.shape[0]) * halves,), each.dtype, each.name, scope=SRAM_SCOPE)
            for each in self.shared
        ]

        def filled(of: Expr) -> tirx.Stmt:
            """What fills SRAM for round `of`."""
            body = self._in_half(_joined(fills), new, of, halves)
            inner = of
            for loop, extent in zip(reversed(loops), reversed(extents), strict=True):
                body = substitute(body, loop.loop_var, self._simple(tirx.floormod(inner, extent)))
                inner = self._simple(tirx.floordiv(inner, extent))
            return _renewed(body)

        memory_core = tirx.call_extern("bool", IS_MEMORY_CORE)
        meet = tirx.Evaluate(tirx.call_intrin("int32", "tirx.tvm_storage_sync", SRAM_SCOPE))
        body = self._in_half(_joined(work), new, number, halves)
        if rounds == 1:
            parts: list[tirx.Stmt] = [tirx.IfThenElse(tirx.Not(memory_core), body, None)]
        else:
            ahead = tirx.Var("ahead", "int32")
            self.analyzer.bind(ahead, tvm.ir.Range(0, rounds))
            bring = tirx.SeqStmt(
                [
                    tirx.Bind(ahead, self._simple(number + 1)),
                    tirx.IfThenElse(ahead < rounds, filled(ahead), None),
                ]
            )
            parts = [tirx.IfThenElse(memory_core, bring, body), meet]
        for level in reversed(levels):
            parts = [*self._others(level.before), *parts, *self._others(level.behind)]
            if level.loop is not None:
                loop = level.loop
                parts = [
                    tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, _joined(parts))
                ]
        first = tirx.IfThenElse(memory_core, filled(tirx.IntImm("int32", 0)), None)
        return tirx.SeqStmt([*map(tirx.AllocBuffer, new), first, meet, *parts])

    def _others(self, parts: Sequence[tirx.Stmt]) -> list[tirx.Stmt]:
        """Statements that the memory core leaves to the others."""
        arrays = [part for part in parts if isinstance(part, tirx.AllocBuffer)]
        rest = [part for part in parts if not isinstance(part, tirx.AllocBuffer)]
        if not rest:
            return arrays
        others = tirx.Not(tirx.call_extern("bool", IS_MEMORY_CORE))
        return [*arrays, tirx.IfThenElse(others, _joined(rest), None)]

    def _in_half(
        self, stmt: tirx.Stmt, new: Sequence[tirx.Buffer], of: Expr, halves: int
    ) -> tirx.Stmt:
        """With everything in SRAM in that half which round `of` reads."""

        def place(old: tirx.Buffer, indices: Sequence[Expr]) -> tuple[tirx.Buffer, list[Expr]]:
            found = next(n for o, n in zip(self.shared, new, strict=True) if o.same_as(old))
            half = self._simple(tirx.floormod(of, halves))
            return found, [half * int(old.shape[0]) + indices[0]]

        def load(node: tvm.ir.TensorLoad) -> Expr:
            if not self._is_shared(node.source):
                return node
            buffer, indices = place(node.source, node.indices)
            return tirx.BufferLoad(buffer, indices)

        def store(node: tirx.BufferStore) -> tirx.Stmt:
            if not self._is_shared(node.buffer):
                return node
            buffer, indices = place(node.buffer, node.indices)
            return tirx.BufferStore(buffer, node.value, indices)

        return tvm_ffi.structural_map(
            stmt, [(tvm.ir.TensorLoad, load), (tirx.BufferStore, store)], order="post"
        )

    def _simple(self, node: Expr) -> Expr:
        return self.analyzer.simplify(node)

    def _refuse(self, why: str) -> None:
        names = ", ".join(repr(each.name) for each in self.shared)
        raise EmitError("XP4001", f"BANG C: SRAM holds {names}, and {why}")


def _renewed(stmt: tirx.Stmt) -> tirx.Stmt:
    """The statement with loop variables of its own: it is printed twice."""
    for loop in _collect(stmt, tirx.For):
        old = loop.loop_var
        new = tirx.Var(str(old.name), str(old.ty.dtype))
        stmt = tvm_ffi.structural_map(stmt, (Var, lambda v, o=old, n=new: n if v.same_as(o) else v))
    return stmt


def _collect(node: Expr | tirx.Stmt, kind: type) -> list:
    found: list = []
    tvm_ffi.structural_walk(node, [(kind, found.append)])
    return found


def _joined(parts: Sequence[tirx.Stmt]) -> tirx.Stmt:
    return parts[0] if len(parts) == 1 else tirx.SeqStmt(list(parts))


def _sequence(stmt: tirx.Stmt) -> list[tirx.Stmt]:
    if isinstance(stmt, tirx.SeqStmt):
        return [inner for part in stmt.seq for inner in _sequence(part)]
    return [stmt]
