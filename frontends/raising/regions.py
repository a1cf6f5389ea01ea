"""Regions: statements that stay as they are, inside of one block over the loops around them.

    for i: { k = p[i]; while (k < p[i+1]) { s += x[k]; k++; } y[i] = s; }
        ->    s_out[i] = { k = p[i]; s = 0; while (k < p[i+1]) … }     y[i] = s_out[i]

A run of a region starts from what its arrays hold then, and leaves what it leaves in them: it is a
store to each array that it stores to, of all elements that it may touch. These are its windows:
where they lie may depend on the loops around, their size may not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr

from ..program import Alloc, Body, Branch, Loop, Region, Store, While, expressions, statements
from .invert import linear
from .tensors import knowing


@dataclass(frozen=True, eq=False)
class Window:
    """Elements of an array: `size` of them from `start` on, which is over the loops around."""

    buffer: Buffer
    start: Expr
    size: int
    is_stored: bool

    def within(self, index: Expr) -> Expr:
        """The place of an element of the array in the window."""
        return tir.const(0, "int32") if self.size == 1 else index - self.start


@dataclass(eq=False)
class Run:
    """A region with the loops around it, and a window for each array that it shares with others.

    `held` are the windows as a run finds them, `memory` as it works on those that it stores to.
    Arrays that are `alone` begin to live with a run, and nothing else touches them.
    """

    body: Body
    loops: tuple[Loop, ...]
    windows: tuple[Window, ...]
    alone: tuple[Buffer, ...]
    span: Span
    held: dict[Buffer, Buffer] = field(default_factory=dict)
    memory: dict[Buffer, Buffer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for window in self.windows:
            buffer = window.buffer
            self.held[buffer] = _local(buffer, window.size)
            if window.is_stored:
                self.memory[buffer] = _local(buffer, window.size)

    def statements(self, found: Callable[[Buffer, Expr], Expr]) -> Body:
        """The region over its memory; `found(array, place)` is an element of a window as a run
        finds it."""
        windows = {window.buffer: window for window in self.windows}
        inner = [one.buffer for one in statements(self.body) if isinstance(one, Alloc)]
        own = {one: _local(one, int(one.shape[0])) for one in (*inner, *self.alone)}

        def expr(old: Expr) -> Expr:
            return tir.map_loads(old, read)

        def read(load: Expr) -> Expr:
            if load.source in own:
                return own[load.source][tuple(load.indices)]
            window = windows.get(load.source)
            if window is None:
                return load
            place = window.within(load.indices[0])
            memory = self.memory.get(load.source)
            return found(load.source, place) if memory is None else memory[place]

        def moved(body: Body) -> Body:
            return tuple(one for old in body for one in of(old))

        def of(old: Any) -> Body:
            if isinstance(old, Store):
                window, value = windows.get(old.buffer), expr(old.value)
                if window is None:
                    return (Store(own[old.buffer], expr(old.index), value, old.span),)
                place = window.within(expr(old.index))
                return (Store(self.memory[old.buffer], place, value, old.span),)
            if isinstance(old, Alloc):
                return (Alloc(own[old.buffer], old.span),)
            if isinstance(old, Loop):
                return (Loop(old.var, expr(old.extent), moved(old.body), False, old.span),)
            if isinstance(old, While):
                return (While(expr(old.test), moved(old.body), old.span),)
            if isinstance(old, Region):
                return moved(old.body)
            assert isinstance(old, Branch)
            return (Branch(expr(old.test), moved(old.then), moved(old.other), old.span),)

        return (*(Alloc(own[one], self.span) for one in self.alone), *moved(self.body))

    def start(self, found: Callable[[Buffer, Expr], Expr]) -> Body:
        """Statements that set the memory to what a run finds."""
        done: list[Any] = []
        for window in self.windows:
            memory = self.memory.get(window.buffer)
            if memory is None:
                continue
            done.append(Alloc(memory, self.span))
            var = tirx.Var("e", "int32")
            place = tir.const(0, "int32") if window.size == 1 else var
            store = Store(memory, place, found(window.buffer, place), self.span)
            size = tir.const(window.size, "int32")
            done.append(store if window.size == 1 else Loop(var, size, (store,), False, self.span))
        return tuple(done)


def run_of(
    body: Body,
    loops: tuple[Loop, ...],
    guard: Sequence[Expr],
    stored: Mapping[Buffer, bool],
    span: Span,
) -> Run:
    """A region in loops of constant length, at points where `guard` holds; `stored` are the arrays
    to which anything in the program stores, with whether they may be `alone`."""
    inner = [one for one in statements(body) if isinstance(one, Loop)]
    own = {one.buffer for one in statements(body) if isinstance(one, Alloc)}
    touched: dict[Buffer, list[Expr]] = {}
    changed: set[Buffer] = set()
    for expr in expressions(body):
        for load in tir.loads(expr):
            touched.setdefault(load.source, []).append(load.indices[0])
    for one in statements(body):
        if isinstance(one, Store):
            touched.setdefault(one.buffer, []).append(one.index)
            changed.add(one.buffer)
    windows = []
    axes = [(loop.var, tir.as_const(loop.extent) or 1) for loop in loops]
    with knowing(axes, guard) as analyzer:
        for buffer, indices in touched.items():
            if buffer in own or buffer not in stored or stored[buffer]:
                continue
            start, size = _window(buffer, indices, inner, analyzer)
            windows.append(Window(buffer, start, size, buffer in changed))
    alone = tuple(buffer for buffer in touched if buffer not in own and stored.get(buffer))
    return Run(body, loops, tuple(windows), alone, span)


def _window(
    buffer: Buffer, indices: list[Expr], inner: list[Loop], analyzer: Any
) -> tuple[Expr, int]:
    """The first of the elements at `indices`, and how many there are from it to the last; the
    whole array where that is not known."""
    whole = (tir.const(0, "int32"), int(buffer.shape[0]))
    if whole[1] == 1 or any(map(tir.has_load, indices)):
        return whole
    extents = [(one.var, tir.as_const(one.extent)) for one in inner]
    bases: list[Expr] = []
    low = high = 0
    for index in indices:
        found = linear(index, [var for var, _ in extents])
        if found is None:
            return whole
        coefficients, base = found
        bases.append(base)
        shift = tir.as_const(analyzer.simplify(base - bases[0]))
        if shift is None:
            return whole
        least = most = shift
        for c, (_, extent) in zip(coefficients, extents, strict=True):
            if c and extent is None:
                return whole
            reach = c * ((extent or 1) - 1)
            least, most = least + min(reach, 0), most + max(reach, 0)
        low, high = min(low, least), max(high, most)
    start, size = analyzer.simplify(bases[0] + low), high - low + 1
    least, most = tir.bounds(analyzer, start)
    inside = least >= 0 and most + size <= whole[1]
    return (start, size) if inside else whole


def _local(buffer: Buffer, size: int) -> Buffer:
    return tirx.decl_buffer([size], buffer.dtype, buffer.name, scope="local")


def loop_over(size: int, span: Span) -> Loop:
    """A loop over the elements of a window."""
    return Loop(tirx.Var("e", "int32"), tir.const(size, "int32"), (), False, span)


def touches(body: Body) -> Counter[Buffer]:
    """How often statements name each array, to read it or to store to it."""
    stored = (one.buffer for one in statements(body) if isinstance(one, Store))
    read = (load.source for expr in expressions(body) for load in tir.loads(expr))
    return Counter((*stored, *read))
