"""One thread's program -> the block's and the grid's: thread loops, split at barriers.

    for t: { A; barrier; B }   ->   for t: A
                                    for t: B

Locals that live across a barrier get an element for each thread. A loop around a barrier stays
around the split loops; a condition around one must be the same for every thread of the block or
at least not depend on memory, and is then repeated inside each phase.
"""

from __future__ import annotations

from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, Span
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import Buffer, Expr, Var

from .partial_eval import ThreadProgram
from .program import (
    Alloc,
    Body,
    Branch,
    Loop,
    Program,
    Statement,
    Store,
    While,
    barriers,
    holds_barrier,
)


def sequential(thread: ThreadProgram, kernel: Kernel) -> Program:
    """The whole launch as one sequential program."""
    splitter = _Splitter(thread)
    inner = splitter.block()
    body: Body = (*(Alloc(buffer, _span(inner)) for buffer in thread.shared), *inner)
    for var, extent in thread.blocks:  # x is innermost
        body = (Loop(var, tir.const(extent, "int32"), body, True, _span(inner)),)
    return Program(kernel.entry or "kernel", thread.params, body, splitter.assumptions())


def _span(body: Body) -> Span:
    return body[0].span if body else Span("<source>", 1, 1)


class _Splitter:
    def __init__(self, thread: ThreadProgram) -> None:
        self.thread = thread
        self.threads = [var for var, _ in thread.threads]
        self.count = 1
        self.linear: Expr = tir.const(0, "int32")
        for var, extent in thread.threads:
            self.linear = self.linear + var * self.count
            self.count *= extent
        self.expanded: list[Statement] = []
        self.split = any(map(holds_barrier, thread.body))

    def assumptions(self) -> tuple[str, ...]:
        found = ["pointer parameters do not overlap", "signed arithmetic does not overflow"]
        found += self.thread.assumptions
        if self.split:
            found.append("threads do not race between two barriers")
        return tuple(found)

    def block(self) -> Body:
        """What one block does."""
        if not self.split:
            return self._threads(list(self.thread.body))
        body = self._expand(self.thread.body)
        return (*self.expanded, *self._fission(body))

    # ------------------------------------------------------------ locals across barriers

    def _expand(self, body: Body) -> Body:
        """Locals whose life holds a barrier become arrays over the threads."""
        self.mapping: dict[Buffer, Buffer] = {}
        self._find(body)
        return tuple(self._rewritten(statement) for statement in body if not self._moved(statement))

    def _find(self, body: Body) -> None:
        for position, statement in enumerate(body):
            if isinstance(statement, Alloc) and any(map(holds_barrier, body[position:])):
                old = statement.buffer
                size = int(old.shape[0]) * self.count
                new = tirx.decl_buffer((size,), old.dtype, old.name, scope="local")
                self.mapping[old] = new
                self.expanded.append(Alloc(new, statement.span))
            for inner in _bodies(statement):
                self._find(inner)

    def _moved(self, statement: Statement) -> bool:
        return isinstance(statement, Alloc) and statement.buffer in self.mapping

    def _at(self, buffer: Buffer, index: Expr) -> tuple[Buffer, Expr]:
        """Where this thread's element of an expanded local lies."""
        extent = int(buffer.shape[0])
        place = self.linear if extent == 1 else self.linear * extent + index
        return self.mapping[buffer], place

    def _expr(self, expr: Expr) -> Expr:
        def change(load: Expr) -> Expr:
            if load.source not in self.mapping:
                return load
            buffer, index = self._at(load.source, load.indices[0])
            return buffer[index]

        return tir.map_loads(expr, change)

    def _rewritten(self, statement: Statement) -> Statement:
        if isinstance(statement, Store):
            buffer, index = statement.buffer, self._expr(statement.index)
            if buffer in self.mapping:
                buffer, index = self._at(buffer, index)
            value = self._expr(statement.value)
            return Store(buffer, index, value, statement.span, statement.atomic)
        if isinstance(statement, Loop):
            extent = self._expr(statement.extent)
            return Loop(statement.var, extent, self._list(statement.body), False, statement.span)
        if isinstance(statement, Branch):
            then, other = self._list(statement.then), self._list(statement.other)
            return replace(statement, test=self._expr(statement.test), then=then, other=other)
        if isinstance(statement, While):
            return While(self._expr(statement.test), self._list(statement.body), statement.span)
        return statement

    def _list(self, body: Body) -> Body:
        return tuple(self._rewritten(statement) for statement in body if not self._moved(statement))

    # ------------------------------------------------------------ fission

    def _fission(self, body: Body) -> Body:
        """Phases between barriers, each under its own thread loops."""
        phases: list[Statement] = []
        current: list[Statement] = []

        def flush() -> None:
            if current:
                phases.extend(self._threads(list(current)))
                current.clear()

        for statement in body:
            if not holds_barrier(statement):
                current.append(statement)
                continue
            flush()
            if isinstance(statement, Loop):
                self._uniform(statement.extent, statement)
                inner = self._fission(statement.body)
                phases.append(Loop(statement.var, statement.extent, inner, False, statement.span))
            elif isinstance(statement, Branch):
                phases.extend(self._branch(statement))
            elif isinstance(statement, While):
                raise LiftError(
                    "XP2001",
                    "a barrier stands in a loop whose length is known only at run time",
                    span=statement.span,
                )
        flush()
        return tuple(phases)

    def _uniform(self, expr: Expr, statement: Statement) -> None:
        if tir.has_load(expr) or tir.uses(expr, self.threads):
            for _, place in self.thread.params:
                if not tirx.is_buffer_var(place) and tir.uses(expr, [place]):
                    name = str(place.name)
                    raise LiftError(
                        "XP2003",
                        f"{name!r} has no value, and how often a barrier is passed depends on it",
                        span=statement.span,
                        hint=f"bind it: --arg {name}=512, or xt.Scalar({name!r}, value=512)",
                    )
            raise LiftError(
                "XP2001",
                "a barrier stands in a loop whose length differs between threads",
                span=statement.span,
                hint="let every thread take the same number of rounds and guard the work inside",
            )

    def _branch(self, statement: Branch) -> Body:
        if tir.has_load(statement.test):
            raise LiftError(
                "XP2001",
                "a barrier stands under a condition that depends on data",
                span=statement.span,
                hint="move the barrier out of the branch",
            )
        divergent = tir.uses(statement.test, self.threads)
        strict = [barrier for barrier in barriers(statement) if not barrier.warp]
        if divergent and strict and not statement.early:
            raise LiftError(
                "XP2001",
                "not every thread of the block reaches this barrier",
                span=strict[0].span,
                hint="move the barrier out of the branch; every thread must reach the same one",
            )
        sides = (self._fission(statement.then), self._fission(statement.other))
        if not tir.uses(statement.test, self.threads):
            return (Branch(statement.test, *sides, statement.span),)
        tests = (statement.test, tirx.Not(statement.test))
        guarded: list[Statement] = []
        for side, test in zip(sides, tests, strict=True):
            guarded += [self._guard(phase, test) for phase in side]
        return tuple(guarded)

    def _guard(self, phase: Statement, test: Expr) -> Statement:
        """`test` pushed inside the thread loops of a phase."""
        if isinstance(phase, Loop) and not phase.parallel:
            body = tuple(self._guard(inner, test) for inner in phase.body)
            return Loop(phase.var, phase.extent, body, False, phase.span)
        if isinstance(phase, Branch) and not tir.uses(phase.test, self.threads):
            then = tuple(self._guard(inner, test) for inner in phase.then)
            other = tuple(self._guard(inner, test) for inner in phase.other)
            return Branch(phase.test, then, other, phase.span)
        if isinstance(phase, Loop):
            # The thread variables of each phase are its own.
            renamed = self._renamed(test, phase)
            return _innermost(phase, renamed, len(self.threads))
        return phase

    def _renamed(self, test: Expr, phase: Loop) -> Expr:
        mapping: dict[Var, Expr] = {}
        at: Statement = phase
        for var in reversed(self.threads):
            assert isinstance(at, Loop)
            mapping[var] = at.var
            if var is not self.threads[0]:
                at = at.body[0]
        return tir.substitute(test, mapping)

    def _threads(self, body: list[Statement]) -> Body:
        """`body` for every thread, under loops with variables of their own."""
        mapping: dict[Var, Expr] = {
            var: tirx.Var(var.name, "int32") for var, _ in self.thread.threads
        }
        renamed = tuple(_substituted(statement, mapping) for statement in body)
        span = body[0].span
        for var, extent in self.thread.threads:
            size = tir.const(extent, "int32")
            renamed = (Loop(mapping[var], size, renamed, True, span),)
        return renamed


def _innermost(loop: Loop, test: Expr, depth: int) -> Loop:
    if depth == 1:
        return Loop(
            loop.var, loop.extent, (Branch(test, loop.body, (), loop.span),), True, loop.span
        )
    inner = loop.body[0]
    assert isinstance(inner, Loop)
    body = (_innermost(inner, test, depth - 1),)
    return Loop(loop.var, loop.extent, body, True, loop.span)


def _bodies(statement: Statement) -> tuple[Body, ...]:
    if isinstance(statement, (Loop, While)):
        return (statement.body,)
    if isinstance(statement, Branch):
        return statement.then, statement.other
    return ()


def _substituted(statement: Statement, mapping: dict[Var, Expr]) -> Statement:
    """A statement with variables replaced, its own loops and buffers made fresh.

    Inner loop variables are renamed too, so that no two loops of the program share one.
    """
    if isinstance(statement, Store):
        index = tir.substitute(statement.index, mapping)
        value = tir.substitute(statement.value, mapping)
        return Store(statement.buffer, index, value, statement.span, statement.atomic)
    if isinstance(statement, Loop):
        var = tirx.Var(statement.var.name, statement.var.ty.dtype)
        inner = {**mapping, statement.var: var}
        body = tuple(_substituted(part, inner) for part in statement.body)
        extent = tir.substitute(statement.extent, mapping)
        return Loop(var, extent, body, statement.parallel, statement.span)
    if isinstance(statement, Branch):
        then = tuple(_substituted(part, mapping) for part in statement.then)
        other = tuple(_substituted(part, mapping) for part in statement.other)
        return replace(
            statement, test=tir.substitute(statement.test, mapping), then=then, other=other
        )
    if isinstance(statement, While):
        body = tuple(_substituted(part, mapping) for part in statement.body)
        return While(tir.substitute(statement.test, mapping), body, statement.span)
    return statement


__all__ = ["sequential"]
