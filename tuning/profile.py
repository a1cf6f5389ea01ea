"""What a scheduled program does, counted from its loops: the raw numbers behind features and roofs.

Each store is looked at under the loops around it. Which loops an access moves along says how many
different elements it touches below any depth, and so what a memory of some size has to fetch:

    for i in 512: for j in 512: for k in 512: C[i, j] += A[i, k] * B[k, j]

touches 512 elements of A below `j` and all of B: with room for less than B's 1 MB, every `i`
fetches B again. Loops of a block's threads are outside of all others, whatever their place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir
from xpiler_tvm.schedules.analysis import extent_of, mentions

LEVELS: Mapping[str, int] = {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}
"""Bytes of the memories whose traffic is counted."""

SYMBOLIC = 1024
"""What a symbolic extent is taken for."""

ARITHMETIC = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tirx.Max, tirx.Min)
_FRAGMENT = "wmma."
_CHEAP = ("if_then_else", "likely", "reinterpret", "fabs")


@dataclass(frozen=True, eq=False)
class Access:
    """One load or store: bytes of an element, its memory, and by how much each loop moves it.

    `strides` are in elements, outermost loop first; `None` where that is no constant. Accesses of
    one array have the same `array`.
    """

    item: int
    scope: str
    elements: int
    strides: tuple[int | None, ...]
    parameter: bool
    array: str = ""

    def touched(self, extents: Sequence[int], depth: int) -> int:
        """Bytes of different elements in one run of the loops from `depth` on, at most."""
        moving = (
            extent
            for extent, stride in zip(extents[depth:], self.strides[depth:], strict=True)
            if stride != 0
        )
        return min(math.prod(moving), self.elements) * self.item


@dataclass(frozen=True, eq=False)
class Work:
    """A store under its loops. `kinds` are TVM's of the loops, or a thread's tag.

    `loops` tell the loops apart: stores under one loop have its number. The last of `accesses` is
    the store; `updates` where what it writes is also read. What lies in fragments is the work of a
    whole warp, `of_warp`, without a loop over its threads.
    """

    extents: tuple[int, ...]
    kinds: tuple[str, ...]
    operations: int
    calls: int
    tensor: bool
    guarded: bool
    accesses: tuple[Access, ...]
    of_warp: bool = False
    updates: bool = False
    loops: tuple[str, ...] = ()

    @property
    def times(self) -> int:
        return math.prod(self.extents)

    def traffic(self, room: int, scopes: Sequence[str] = ("global", "local")) -> float:
        """Bytes that come from beyond a memory of `room` bytes, all runs together."""
        mine = [one for one in self.accesses if one.scope.split(".")[0] in scopes]
        for depth in range(len(self.extents) + 1):
            below = sum(one.touched(self.extents, depth) for one in mine)
            if below <= room:
                return float(below) * math.prod(self.extents[:depth])
        return 0.0

    def along(self, kind: str) -> int:
        """The product of the extents of loops of a kind."""
        pairs = zip(self.extents, self.kinds, strict=True)
        return math.prod(extent for extent, each in pairs if each.startswith(kind))


@dataclass
class Profile:
    """All of a program's stores, and the bytes of its arrays by memory."""

    works: list[Work] = field(default_factory=list)
    arrays: dict[str, int] = field(default_factory=dict)
    parameter_bytes: int = 0

    @property
    def operations(self) -> int:
        return sum(work.times * (work.operations + 8 * work.calls) for work in self.works)


def profile_of(mod: tvm.IRModule) -> Profile:
    """The profile of `mod["main"]`, before lowering."""
    func, found = mod["main"], Profile()
    for param in func.params:
        if tirx.is_buffer_var(param):
            found.parameter_bytes += _elements(param) * _item(param)
    _walk(func.body, _Place((), (), {}, {}, list(func.params), False, False), found)
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    """The array that a block sees under another name, and where in it the block's part begins."""

    array: tirx.Buffer
    begins: tuple[tvm.ir.Expr, ...]


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the walk is: loops, what block iterators and parts of arrays stand for, what holds."""

    loops: tuple[tirx.For, ...]
    kinds: tuple[str, ...]
    values: dict[str, tvm.ir.Expr]
    parts: dict[str, _Part]
    parameters: list[tvm.ir.Var]
    tensor: bool
    guarded: bool


def _walk(node: tirx.Stmt, place: _Place, found: Profile) -> None:
    if isinstance(node, tirx.For):
        tag = node.thread_binding.thread_tag if node.thread_binding is not None else None
        kind = str(tag) if tag else tirx.ForKind(int(node.kind)).name.lower()
        loops, kinds = (*place.loops, node), (*place.kinds, kind)
        _walk(node.body, replace(place, loops=loops, kinds=kinds), found)
    elif isinstance(node, s_tir.SBlockRealize):
        _block(node, place, found)
    elif isinstance(node, tirx.SeqStmt):
        for each in node.seq:
            _walk(each, place, found)
    elif isinstance(node, tirx.IfThenElse):
        inside = replace(place, guarded=True)
        for side in (node.then_case, node.else_case):
            if side is not None:
                _walk(side, inside, found)
    elif isinstance(node, tirx.BufferStore):
        found.works.append(_work(node, place))
    elif getattr(node, "body", None) is not None:
        _walk(node.body, place, found)


def _block(realize: s_tir.SBlockRealize, place: _Place, found: Profile) -> None:
    block = realize.block
    for buffer in block.alloc_buffers:
        scope = str(buffer.scope())
        size = _elements(buffer) * _item(buffer)
        found.arrays[scope] = found.arrays.get(scope, 0) + size
    values = dict(place.values)
    for iterator, value in zip(block.iter_vars, realize.iter_values, strict=True):
        values[_name(iterator.var)] = _resolved(value, place.values)
    tensor = place.tensor or any("tensor" in str(key) for key in block.annotations)
    guarded = place.guarded or tir.as_const(realize.predicate) != 1
    inside = replace(
        place, values=values, parts=_parts(block, place, values), tensor=tensor, guarded=guarded
    )
    if block.init is not None and not isinstance(block.body, tirx.BufferStore):
        _walk(block.init, inside, found)
    _walk(block.body, inside, found)


def _parts(
    block: s_tir.SBlock, place: _Place, values: Mapping[str, tvm.ir.Expr]
) -> dict[str, _Part]:
    """What the block's own names of parts stand for, those of blocks around included."""
    parts = dict(place.parts)
    for match in block.match_buffers:
        region = match.source
        begins = tuple(_resolved(each.min, values) for each in region.region)
        known = place.parts.get(_name(region.source))
        if known is not None:
            begins = _within(known, begins)
        array = known.array if known is not None else region.source
        parts[_name(match.buffer)] = _Part(array, begins)
    return parts


def _within(part: _Part, indices: Sequence[tvm.ir.Expr]) -> tuple[tvm.ir.Expr, ...]:
    """Indices of a part as indices of its array; a part may have fewer dimensions."""
    missing = len(part.begins) - len(indices)
    shifted = zip(part.begins[missing:], indices, strict=True)
    return (*part.begins[:missing], *(begin + index for begin, index in shifted))


def _work(store: tirx.BufferStore, place: _Place) -> Work:
    counted = {"operations": 0, "calls": 0, "tensor": 0}

    def operation(_: tvm.ir.Expr) -> None:
        counted["operations"] += 1

    def call(expr: tvm.ir.Call) -> None:
        name = str(getattr(expr.op, "name", ""))
        if "llvm" in name:
            counted["tensor"] += 1
        elif not name.endswith(_CHEAP):
            counted["calls"] += 1

    table = [(kind, operation) for kind in ARITHMETIC] + [(tvm.ir.Call, call)]
    # Without what places are worked out with, which loops do step by step.
    value = tir.map_loads(store.value, lambda load: tirx.Var("element", tir.dtype_of(load)))
    tvm_ffi.structural_walk(value, table)
    loads = [(load.source, load.indices) for load in tir.loads(store.value)]
    order = _threads_first(place.kinds)
    accesses = tuple(
        _access(buffer, indices, place, order)
        for buffer, indices in (*loads, (store.buffer, store.indices))
    )
    vector = 64 if counted["tensor"] else 1  # an instruction of bytes does 64 products
    fragments = [each.scope for each in accesses if each.scope.startswith(_FRAGMENT)]
    if fragments:  # the positions of its elements are the hardware's
        counted = {"operations": 2 if len(set(fragments)) > 1 else 1, "calls": 0, "tensor": 0}
    return Work(
        tuple(extent_of(place.loops[at]) for at in order),
        tuple(place.kinds[at] for at in order),
        max(1, counted["operations"]) * vector * (2 if counted["tensor"] else 1),
        counted["calls"],
        place.tensor or bool(counted["tensor"] or fragments),
        place.guarded,
        accesses,
        bool(fragments),
        any(buffer.same_as(store.buffer) for buffer, _ in loads),
        tuple(_name(place.loops[at].loop_var) for at in order),
    )


def _threads_first(kinds: Sequence[str]) -> list[int]:
    """The loops' places with those over blocks and threads in front.

    A thread that stands twice, around a stage and within it, is one: the inner loop is it.
    """

    def rank(at: int) -> int:
        return 0 if kinds[at].startswith("blockIdx") else 1 if "Idx" in kinds[at] else 2

    once = [at for at, kind in enumerate(kinds) if "Idx" not in kind or kind not in kinds[at + 1 :]]
    return sorted(once, key=rank)


def _access(
    buffer: tirx.Buffer, indices: Sequence[tvm.ir.Expr], place: _Place, order: Sequence[int]
) -> Access:
    lanes, firsts = 1, []
    for index in indices:
        first = index
        if isinstance(index, tirx.Ramp):
            lanes, first = int(index.lanes), index.base
        firsts.append(_resolved(first, place.values))
    item = _item(buffer) * lanes
    part = place.parts.get(_name(buffer))
    if part is not None:
        buffer, firsts = part.array, list(_within(part, firsts))
    flat: tvm.ir.Expr = tirx.IntImm("int32", 0)
    for extent, index in zip(buffer.shape, firsts, strict=True):
        flat = flat * extent + index
    known = any(buffer.same_as(each) for each in place.parameters)
    strides = _strides(flat, [place.loops[at] for at in order])
    return Access(item, str(buffer.scope()), _elements(buffer), strides, known, _name(buffer))


def _strides(flat: tvm.ir.Expr, loops: Sequence[tirx.For]) -> tuple[int | None, ...]:
    """By how much each loop moves a place in memory."""
    found = [_stride(flat, loop.loop_var) for loop in loops]
    if None in found:  # digits of loops: within their ranges some are linear
        analyzer = tvm.sym.Analyzer()
        for loop in loops:
            analyzer.bind(loop.loop_var, tvm.ir.Range.from_min_extent(loop.min, loop.extent))
        simple = analyzer.simplify(flat)
        found = [_stride(simple, loop.loop_var) for loop in loops]
    return tuple(found)


def _stride(flat: tvm.ir.Expr, var: tirx.Var) -> int | None:
    if not mentions(flat, var):
        return 0
    parts = tvm.sym.detect_linear_equation(flat, [var])
    return int(parts[0]) if parts and isinstance(parts[0], tirx.IntImm) else None


def _resolved(value: tvm.ir.Expr, values: Mapping[str, tvm.ir.Expr]) -> tvm.ir.Expr:
    """A value in loop variables alone."""
    if not values:
        return value
    return tvm_ffi.structural_map(value, (tirx.Var, lambda var: values.get(_name(var), var)))


def _name(var: tirx.Var) -> str:
    """What tells a variable from all others of the program."""
    return str(var.__hash__())


def _elements(buffer: tirx.Buffer) -> int:
    return math.prod(
        int(each) if isinstance(each, tirx.IntImm | int) else 1024 for each in buffer.shape
    )


def _item(buffer: tirx.Buffer) -> int:
    return max(1, tvm.DataType(str(buffer.dtype)).bits // 8)
