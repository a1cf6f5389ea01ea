"""One thread's accesses to memory: the loops and tests around each, and the barriers between them.

What a thread reads from memory becomes a variable of its own, the same as long as nothing may have
stored to the array in between, so that indices and tests are arithmetic:

    int id = ids[i];  if (id < 64) y[id] = 0;    ->    store y[d] where d < 64, d an element of ids
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.partial_eval import ThreadProgram
from xpiler_tvm.frontends.program import (
    Alloc,
    Barrier,
    Body,
    Branch,
    Loop,
    Region,
    Statement,
    Store,
    While,
    holds_barrier,
    statements,
)
from xpiler_tvm.frontends.raising.tensors import outermost_choices, replace_choices
from xpiler_tvm.tir import Buffer, Expr, Var


@dataclass(frozen=True, eq=False)
class Around:
    """The loops around a place, outermost first, and the tests on the way to it."""

    loops: tuple[tuple[Var, Expr], ...] = ()
    tests: tuple[Expr, ...] = ()

    def under(self, *tests: Expr) -> Around:
        return replace(self, tests=(*self.tests, *tests))

    def inside(self, var: Var, extent: Expr) -> Around:
        return replace(self, loops=(*self.loops, (var, extent)))


@dataclass(frozen=True, eq=False)
class Access:
    """A read or a store of `buffer[index]`; those that are `atomic` do not collide."""

    buffer: Buffer
    index: Expr
    stores: bool
    atomic: bool
    around: Around
    span: Span

    @property
    def name(self) -> str:
        return f"{'store to' if self.stores else 'read of'} {self.buffer.name}[{self.index}]"


@dataclass(frozen=True, eq=False)
class Number:
    """An integer that the thread computes to decide where or how often something happens."""

    expr: Expr
    around: Around
    span: Span


@dataclass(frozen=True, eq=False)
class Repeat:
    """A loop around barriers: of `extent` rounds, or of as many as data says."""

    var: Var | None
    extent: Expr
    body: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Either:
    """A branch with barriers inside, which goes the same way for all threads that meet there."""

    test: Expr
    then: tuple[Node, ...]
    other: tuple[Node, ...]


Node = Access | Barrier | Repeat | Either


@dataclass(frozen=True, eq=False)
class Trace:
    """What a thread does to memory.

    `data` are the variables that stand for what was read from memory, by the array's name.
    """

    nodes: tuple[Node, ...]
    accesses: tuple[Access, ...]
    numbers: tuple[Number, ...]
    data: Mapping[Var, str]


def trace_of(thread: ThreadProgram) -> Trace:
    """The accesses of a thread, in the order of the program."""
    tracer = _Tracer()
    tracer.changing = {
        statement.buffer
        for statement in statements(thread.body)
        if isinstance(statement, Store) and (statement.atomic or statement.indivisible)
    }
    nodes = tracer.body(thread.body, Around())
    return Trace(tuple(nodes), tuple(tracer.accesses), tuple(tracer.numbers), tracer.data)


def guarded_loads(
    expr: Expr, tests: tuple[Expr, ...] = ()
) -> Iterator[tuple[Expr, tuple[Expr, ...]]]:
    """The reads in an expression, each with the tests of the choices that it stands in."""
    choices = outermost_choices(expr)
    places = [tirx.Var("choice", tir.dtype_of(choice)) for choice in choices]
    rest = replace_choices(expr, choices, places) if choices else expr
    back = dict(zip(places, choices, strict=True))
    for load in tir.loads(rest):
        yield load.source[tuple(tir.substitute(index, back) for index in load.indices)], tests
    for choice in choices:
        test, yes, no = choice.args
        yield from guarded_loads(test, tests)
        yield from guarded_loads(yes, (*tests, test))
        yield from guarded_loads(no, (*tests, tirx.Not(test)))


@dataclass(eq=False)
class _Tracer:
    """`versions` count the stores to an array; buffers in `changing` differ at every read."""

    accesses: list[Access] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    data: dict[Var, str] = field(default_factory=dict)
    changing: set[Buffer] = field(default_factory=set)
    versions: dict[Buffer, int] = field(default_factory=dict)
    known: dict[tuple[Buffer, int, int], Expr] = field(default_factory=dict)
    fresh: Iterator[int] = field(default_factory=lambda: count(1))

    def body(self, body: Body, around: Around) -> list[Node]:
        return [node for statement in body for node in self._statement(statement, around)]

    def _statement(self, statement: Statement, around: Around) -> list[Node]:
        match statement:
            case Store():
                return self._store(statement, around)
            case Loop(var, extent, body):
                return self._loop(statement, var, extent, body, around)
            case While(test, body):
                return self._while(statement, test, body, around)
            case Branch(test, then, other):
                return self._branch(statement, test, then, other, around)
            case Alloc(buffer):
                self._changed([buffer])
                return []
            case Region(body):
                return self.body(body, around)
        self._changed([one for one in self.versions if one.scope() != "local"])
        return [statement]

    def _store(self, store: Store, around: Around) -> list[Node]:
        atomic = store.atomic or store.indivisible
        found = self._reads(store.value, around, store.span, atomic)
        found += self._reads(store.index, around, store.span, False)
        index = self._plain(store.index)
        value = None
        if store.buffer.scope() == "local" and "int" in store.buffer.dtype:
            value = self._plain(store.value)
        self._changed([store.buffer])
        if value is not None and not tir.is_large(value):
            self.known[self._key(store.buffer, index)] = value
        access = Access(store.buffer, index, True, atomic, around, store.span)
        found.append(self._noted(access))
        return found

    def _loop(self, loop: Loop, var: Var, extent: Expr, body: Body, around: Around) -> list[Node]:
        self._forget(body)
        extent = self._number(extent, around, loop.span)
        inner: list[Node] = self.body(body, around.inside(var, extent))
        self._forget(body)
        return [Repeat(var, extent, tuple(inner))] if holds_barrier(loop) else inner

    def _while(self, loop: While, test: Expr, body: Body, around: Around) -> list[Node]:
        self._forget(body)
        found = self._reads(test, around, loop.span, False)
        inside = around.under(self._number(test, around, loop.span))
        found += self.body(body, inside)
        self._forget(body)
        if not holds_barrier(loop):
            return found
        return [Repeat(None, tir.const(0, "int32"), tuple(found))]

    def _branch(
        self, branch: Branch, test: Expr, then: Body, other: Body, around: Around
    ) -> list[Node]:
        found = self._reads(test, around, branch.span, False)
        plain = self._number(test, around, branch.span)
        before = dict(self.versions)
        first = self.body(then, around.under(plain))
        self.versions = before
        second = self.body(other, around.under(tirx.Not(plain)))
        self._forget((*then, *other))
        if holds_barrier(branch):
            return [*found, Either(plain, tuple(first), tuple(second))]
        return [*found, *first, *second]

    # ------------------------------------------------------------ expressions

    def _reads(self, expr: Expr, around: Around, span: Span, atomic: bool) -> list[Node]:
        """The reads in an expression; those on one side of a choice are under its test."""
        found: list[Node] = []
        places: dict[tuple[Expr, ...], Around] = {(): around}
        for load, tests in guarded_loads(expr):
            if tests not in places:
                plain = [self._number(test, around, span) for test in tests]
                places[tests] = around.under(*plain)
            index = self._plain(load.indices[0])
            access = Access(load.source, index, False, atomic, places[tests], span)
            found.append(self._noted(access))
        return found

    def _noted(self, access: Access) -> Access:
        self.accesses.append(access)
        return access

    def _number(self, expr: Expr, around: Around, span: Span) -> Expr:
        plain = self._plain(expr)
        if tir.as_const(plain) is None:
            self.numbers.append(Number(plain, around, span))
        return plain

    def _plain(self, expr: Expr) -> Expr:
        """The expression with a variable for every read."""
        return tir.map_loads(expr, self._read)

    def _read(self, load: Expr) -> Expr:
        buffer, dtype = load.source, tir.dtype_of(load)
        key = self._key(buffer, load.indices[0])
        if buffer in self.changing or key not in self.known:
            var = tirx.Var(f"{buffer.name}_element", dtype)
            self.data[var] = str(buffer.name)
            self.known[key] = var
        return self.known[key]

    def _key(self, buffer: Buffer, index: Expr) -> tuple[Buffer, int, int]:
        digest = int(tvm_ffi.structural_hash(index, map_free_vars=False))
        return buffer, self.versions.get(buffer, 0), digest

    def _changed(self, buffers: list[Buffer]) -> None:
        for buffer in buffers:
            self.versions[buffer] = next(self.fresh)

    def _forget(self, body: Body) -> None:
        """What is known of arrays that the statements store to."""
        self._changed([one.buffer for one in statements(body) if isinstance(one, (Store, Alloc))])


__all__ = [
    "Access",
    "Around",
    "Either",
    "Node",
    "Number",
    "Repeat",
    "Trace",
    "guarded_loads",
    "trace_of",
]
