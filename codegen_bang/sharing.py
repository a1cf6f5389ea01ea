"""What the cores of a cluster share in SRAM: the memory core brings it while the others compute.

    for t:                          for t:
        c = 0                           if mpu: S[0] = B[t, 0];  else: c = 0
        for s:                          meet
            S = B[t, s]      ->         for s < n:
            c += f(S)                       if mpu: if s + 1 < n: S[(s + 1) % 2] = B[t, s + 1]
        y[t] = c                            else:   c += f(S[s % 2])
                                            meet
                                        if not mpu: y[t] = c

In each round, an iteration of the innermost loop around the copies, the memory core fills one half
of what lies in SRAM and the others read the half that it filled in the round before. All meet at
its end, so that nobody fills what is being read. Where there is one round, one half is all there
is. Every core takes the same rounds: loops around a barrier have constant lengths. What is filled
in an outer loop is there once, for all rounds in it.

Results that are only copied out may be under way while the next iteration begins: what they are
copied from has two halves then, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, Var

from xpiler_tvm.codegen.lower import DeviceFunction
from xpiler_tvm.errors import EmitError

from .loops import substitute
from .memory import ITEM_BYTES, padded

SRAM_SCOPE = "shared.sram"
"""The storage scope of what a cluster has in SRAM."""

UNDER_WAY = "under_way"
"""The attribute of copies that need not end before the next statement."""

OFTEN = "often"
"""The attribute of what is done in a part of the iterations only, for the model: that part."""

MEMORY_CORE = tirx.call_extern("bool", "__is_mpu")
"""The condition that holds on the memory core alone."""


def is_memory_core(condition: Expr) -> bool | None:
    """Whether a condition holds on the memory core alone; `None` for one of another kind."""
    if isinstance(condition, tirx.Not):
        other = is_memory_core(condition.a)
        return None if other is None else not other
    if isinstance(condition, tvm.ir.Call) and condition.op.name.endswith("call_extern"):
        return True if tvm_ffi.structural_equal(condition, MEMORY_CORE) else None
    return None


def with_memory_core(function: DeviceFunction, *, overlapped: bool = False) -> DeviceFunction:
    """The kernel with a program for the memory core; as it is where nothing lies in SRAM.

    With `overlapped` results are copied out while the next rounds begin, where that can be.

    Raises `EmitError` XP4001 where what is brought into SRAM depends on the core, on data or on
    what the kernel writes, or is brought at several places.
    """
    body = function.body
    allocated = [each.buffer for each in _collect(body, tirx.AllocBuffer)]
    shared = [each for each in allocated if each.scope() == SRAM_SCOPE]
    if not shared:
        return function
    return replace(function, body=_Rounds(function, shared, overlapped).run())


@dataclass(frozen=True)
class _Level:
    """What fills SRAM in a loop, and the rest before and behind the next loop inwards."""

    loop: tirx.For | None
    fills: tuple[tirx.Stmt, ...] = ()
    before: tuple[tirx.Stmt, ...] = ()
    behind: tuple[tirx.Stmt, ...] = ()


class _Rounds:
    def __init__(
        self, function: DeviceFunction, shared: Sequence[tirx.Buffer], overlapped: bool
    ) -> None:
        self.function = function
        self.shared = shared
        self.overlapped = overlapped
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
        levels, work = self._levels(body)
        self._check(levels)
        if self.overlapped:
            levels, work = self._overlapped(levels, work)
        made = self._made(levels, work)
        for head in reversed(heads):
            if isinstance(head, tirx.AttrStmt):
                made = tirx.AttrStmt(head.node, head.attr_key, head.value, made)
            else:
                made = tirx.SeqStmt([head, made])
        return made

    def _levels(self, body: tirx.Stmt) -> tuple[list[_Level], tuple[tirx.Stmt, ...]]:
        """The loops around what fills SRAM, and all else that stands in the innermost one."""
        levels: list[_Level] = []
        loop: tirx.For | None = None
        while True:
            parts = [part for part in _sequence(body) if not self._is_allocation(part)]
            fills = tuple(part for part in parts if self._fills(part) and self._only_fills(part))
            rest = [part for part in parts if not any(part.same_as(each) for each in fills)]
            filling = [place for place, part in enumerate(rest) if self._fills(part)]
            if not filling:
                return [*levels, _Level(loop, fills)], tuple(rest)
            place = filling[0]
            inner = rest[place]
            if len(filling) > 1:
                self._refuse("it is filled at several places")
            if not isinstance(inner, tirx.For):
                self._refuse("it is filled where not every core may come")
            if inner.kind != tirx.ForKind.SERIAL or not isinstance(inner.extent, tirx.IntImm):
                self._refuse("it is filled in a loop of no constant length")
            levels.append(_Level(loop, fills, tuple(rest[:place]), tuple(rest[place + 1 :])))
            loop, body = inner, inner.body

    def _is_allocation(self, part: tirx.Stmt) -> bool:
        return isinstance(part, tirx.AllocBuffer) and self._is_shared(part.buffer)

    def _is_shared(self, buffer: tirx.Buffer) -> bool:
        return any(buffer.same_as(each) for each in self.shared)

    def _fills(self, part: tirx.Stmt) -> bool:
        return bool(self._filled_by([part]))

    def _filled_by(self, parts: Sequence[tirx.Stmt]) -> set[tirx.Buffer]:
        """The arrays in SRAM that statements store to."""
        stored = {each.buffer for part in parts for each in _collect(part, tirx.BufferStore)}
        return {buffer for buffer in stored if self._is_shared(buffer)}

    def _only_fills(self, part: tirx.Stmt) -> bool:
        return all(self._is_shared(each.buffer) for each in _collect(part, tirx.BufferStore))

    def _check(self, levels: Sequence[_Level]) -> None:
        """Whether what is brought in can be brought ahead, by a core of its own."""
        fills = [part for level in levels for part in level.fills]
        filled = [buffer for level in levels for buffer in self._filled_by(level.fills)]
        if len(filled) != len(self.shared):
            self._refuse("it is filled at several places, or nowhere")
        outside = [part for level in levels for part in (*level.before, *level.behind)]
        loads = [load for part in outside for load in _collect(part, tvm.ir.TensorLoad)]
        if any(self._is_shared(load.source) for load in loads):
            self._refuse("it is read outside of the innermost loop that fills it")
        body = self.function.body
        views = {each.buffer: each.data.args[0] for each in _collect(body, tirx.DeclBuffer)}
        stored = [each.buffer for each in _collect(body, tirx.BufferStore)]
        written = {views.get(each, each) for each in stored}
        known: set[Var] = {*self.function.axes["blockIdx.x"].variables, *self.function.params}
        known |= {*self.shared, *views, *(each.loop.loop_var for each in levels if each.loop)}
        for part in fills:
            for load in _collect(part, tvm.ir.TensorLoad):
                if views.get(load.source, load.source) in written:
                    self._refuse(f"{load.source.name!r}, which it is filled from, is written, too")
            own = {each.loop_var for each in _collect(part, tirx.For)}
            for var in _collect(part, Var):
                if var not in known | own:
                    self._refuse(f"what it is filled with depends on {var.name!r}")

    def _overlapped(
        self, levels: list[_Level], work: tuple[tirx.Stmt, ...]
    ) -> tuple[list[_Level], tuple[tirx.Stmt, ...]]:
        """With the copies of results under way while the next iteration begins, if there are any.

        for t: ...; y = c       ->       for t: ...; wait; y = c[t % 2], under way
        """
        parts = [*(level.behind for level in levels[:-1]), work]
        depth = next((d for d in reversed(range(len(parts))) if self._results(parts[d])), 0)
        results = self._results(parts[depth])
        number, count = self._number(levels[: depth + 1])
        made = (*levels[depth].before, *work) if depth == len(levels) - 1 else levels[depth].before
        here = [each.buffer for each in made if isinstance(each, tirx.AllocBuffer)]
        read = [load.source for each in results for load in _collect(each, tvm.ir.TensorLoad)]
        if count < 2 or not all(any(each.same_as(one) for one in here) for each in read):
            return levels, work
        arrays = [(each, _several(each, 2)) for each in here if any(each.same_as(r) for r in read)]
        half = self._simple(tirx.floormod(number, 2))

        def moved(stmts: Sequence[tirx.Stmt]) -> tuple[tirx.Stmt, ...]:
            return tuple(_moved(each, arrays, half) for each in stmts)

        wait = tirx.Evaluate(tirx.call_extern("int32", "__sync"))
        under_way = _marked(UNDER_WAY, tirx.IntImm("int32", 1), _joined(moved(results)))
        parts = [moved(each) if d >= depth else each for d, each in enumerate(parts)]
        parts[depth] = (*parts[depth][: len(parts[depth]) - len(results)], wait, under_way)
        levels = [
            replace(
                level,
                before=moved(level.before) if d >= depth else level.before,
                behind=parts[d] if d < len(levels) - 1 else (),
            )
            for d, level in enumerate(levels)
        ]
        # Nothing is under way when the kernel ends.
        levels[0] = replace(levels[0], behind=(*levels[0].behind, wait))
        return levels, parts[-1]

    def _results(self, parts: Sequence[tirx.Stmt]) -> tuple[tirx.Stmt, ...]:
        """The last of some statements that only copy from arrays of a core to parameters."""
        found: list[tirx.Stmt] = []
        for part in reversed(parts):
            stores = _collect(part, tirx.BufferStore)
            copies = [isinstance(each.value, tvm.ir.TensorLoad) for each in stores]
            outside = [each.buffer.scope() == "global" for each in stores]
            if not stores or not all(copies) or not all(outside):
                break
            found.insert(0, part)
        return tuple(found)

    def _number(self, levels: Sequence[_Level]) -> tuple[Expr, int]:
        """The number of an iteration of the loops of some levels, and how many there are."""
        number, count = tirx.IntImm("int32", 0), 1
        for level in levels:
            if level.loop is not None:
                extent = int(level.loop.extent)
                self.analyzer.bind(
                    level.loop.loop_var, tvm.ir.Range(0, extent), allow_override=True
                )
                number, count = number * extent + level.loop.loop_var, count * extent
        return number, count

    def _made(self, levels: Sequence[_Level], work: Sequence[tirx.Stmt]) -> tirx.Stmt:
        *outer, innermost = levels
        number, rounds = self._number([innermost])
        ahead = self._filled_by(innermost.fills)
        arrays = [(each, _several(each, min(2, rounds))) for each in self.shared if each in ahead]
        kept = [each for each in self.shared if each not in ahead]

        def in_half(stmt: tirx.Stmt, of: Expr) -> tirx.Stmt:
            return _moved(stmt, arrays, self._simple(tirx.floormod(of, min(2, rounds))))

        def filled(of: Expr) -> tirx.Stmt:
            """What fills SRAM for round `of`."""
            body = _joined(innermost.fills)
            if innermost.loop is not None:
                body = substitute(body, innermost.loop.loop_var, of)
            return _renewed(in_half(body, of))

        meet = tirx.Evaluate(tirx.call_intrin("int32", "tirx.tvm_storage_sync", SRAM_SCOPE))
        body = in_half(_joined(work), number)
        nearest = outer[-1] if outer else _Level(None)
        own_arrays, before = _allocations(nearest.before)
        first = _by_kind([*nearest.fills, filled(tirx.IntImm("int32", 0))], before)
        round_ = _by_kind((), [body])
        if rounds > 1:
            last = tirx.IntImm("int32", rounds - 1)
            next_ = tirx.IfThenElse(number < last, filled(number + 1), None)
            often = tirx.FloatImm("float32", (rounds - 1) / rounds)
            round_ = _by_kind([_marked(OFTEN, often, next_)], [body])
        if innermost.loop is not None:
            round_.append(meet)  # before anything else is filled
        parts = [*own_arrays, *first, meet, *_around(innermost, round_), *_others(nearest.behind)]
        for place in reversed(range(len(outer))):
            parts = _around(outer[place], parts)
            if place:
                level = outer[place - 1]
                own_arrays, before = _allocations(level.before)
                first = _by_kind(level.fills, before)
                parts = [*own_arrays, *first, *parts, *_others(level.behind)]
        declared = [*kept, *(new for _, new in arrays)]
        return tirx.SeqStmt([*map(tirx.AllocBuffer, declared), *parts])

    def _simple(self, node: Expr) -> Expr:
        return self.analyzer.simplify(node)

    def _refuse(self, why: str) -> None:
        names = ", ".join(repr(each.name) for each in self.shared)
        raise EmitError("XP4001", f"BANG C: SRAM holds {names}, and {why}")


def _around(level: _Level, parts: Sequence[tirx.Stmt]) -> list[tirx.Stmt]:
    """Statements in the loop of a level."""
    if level.loop is None:
        return list(parts)
    loop = level.loop
    return [tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, _joined(parts))]


def _others(parts: Sequence[tirx.Stmt]) -> list[tirx.Stmt]:
    """Statements that the memory core leaves to the others."""
    arrays, rest = _allocations(parts)
    return [*arrays, *_by_kind((), rest)]


def _by_kind(memory_core: Sequence[tirx.Stmt], others: Sequence[tirx.Stmt]) -> list[tirx.Stmt]:
    """Statements of the memory core, and of the others."""
    if not memory_core and not others:
        return []
    if not memory_core:
        return [tirx.IfThenElse(tirx.Not(MEMORY_CORE), _joined(others), None)]
    rest = _joined(others) if others else None
    return [tirx.IfThenElse(MEMORY_CORE, _joined(memory_core), rest)]


def _allocations(parts: Sequence[tirx.Stmt]) -> tuple[list[tirx.Stmt], list[tirx.Stmt]]:
    """What declares arrays, and the rest."""
    arrays = [part for part in parts if isinstance(part, tirx.AllocBuffer)]
    return arrays, [part for part in parts if not isinstance(part, tirx.AllocBuffer)]


def _several(buffer: tirx.Buffer, parts: int) -> tirx.Buffer:
    """An array that holds several of another, each of which fills whole vector words."""
    size = _part(buffer) * parts if parts > 1 else buffer.shape[0]
    return tirx.decl_buffer((size,), buffer.dtype, buffer.name, scope=buffer.scope())


def _part(buffer: tirx.Buffer) -> int:
    """Elements from one of several arrays to the next."""
    item = ITEM_BYTES[str(buffer.dtype)]
    return padded(int(buffer.shape[0]) * item) // item


def _moved(
    stmt: tirx.Stmt, arrays: Sequence[tuple[tirx.Buffer, tirx.Buffer]], part: Expr
) -> tirx.Stmt:
    """With each array that is the first of a pair in that part of the second one."""

    def place(old: tirx.Buffer, indices: Sequence[Expr]) -> tuple[tirx.Buffer, list[Expr]] | None:
        new = next((new for each, new in arrays if each.same_as(old)), None)
        return None if new is None else (new, [part * _part(old) + indices[0]])

    def load(node: tvm.ir.TensorLoad) -> Expr:
        found = place(node.source, node.indices)
        return node if found is None else tirx.BufferLoad(*found)

    def store(node: tirx.BufferStore) -> tirx.Stmt:
        found = place(node.buffer, node.indices)
        return node if found is None else tirx.BufferStore(found[0], node.value, found[1])

    def allocation(node: tirx.AllocBuffer) -> tirx.Stmt:
        new = next((new for each, new in arrays if each.same_as(node.buffer)), None)
        return node if new is None else tirx.AllocBuffer(new)

    handlers = [
        (tvm.ir.TensorLoad, load),
        (tirx.BufferStore, store),
        (tirx.AllocBuffer, allocation),
    ]
    return tvm_ffi.structural_map(stmt, handlers, order="post")


def _marked(key: str, value: Expr, body: tirx.Stmt) -> tirx.Stmt:
    return tirx.AttrStmt(tvm.ir.StringImm(key), key, value, body)


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
