"""One thread's program -> the block's and the grid's: thread loops, split at barriers.

    for t: { A; barrier; B }   ->   for t: A
                                    for t: B

Locals that live across a barrier get an element for each thread. A loop around a barrier stays
around the split loops, for as many rounds as some thread takes. A condition around one is repeated
inside each phase; where it depends on memory each thread keeps a flag of what it was.
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

NO_RACES = "threads do not race between two barriers"


def sequential(thread: ThreadProgram, kernel: Kernel) -> Program:
    """The whole launch as one sequential program."""
    splitter = _Splitter(thread)
    inner = splitter.block()
    body: Body = (*(Alloc(buffer, _span(inner)) for buffer in thread.shared), *inner)
    for var, extent in thread.blocks:  # x is innermost
        body = (Loop(var, tir.as_expr(extent), body, True, _span(inner)),)
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
        self.uniform: set[str] = set()
        self.split = any(map(holds_barrier, thread.body))

    def assumptions(self) -> tuple[str, ...]:
        found = ["pointer parameters do not overlap", "signed arithmetic does not overflow"]
        found += self.thread.assumptions
        if self.split:
            found.append(NO_RACES)
        found += sorted(self.uniform)
        return tuple(found)

    def block(self) -> Body:
        """What one block does."""
        if not self.split:
            return self._threads(list(self.thread.body), ())
        phases = self._fission(self._expand(self.thread.body))
        return (*self.expanded, *phases)

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

    def _fission(self, body: Body, guards: tuple[Expr, ...] = ()) -> Body:
        """Phases between barriers, each under its own thread loops.

        Only threads for which the `guards` hold take part. These are fixed: they read no memory
        but flags, which are set once.
        """
        phases: list[Statement] = []
        current: list[Statement] = []

        def flush() -> None:
            if current:
                phases.extend(self._threads(list(current), guards))
                current.clear()

        for statement in body:
            if not holds_barrier(statement):
                current.append(statement)
                continue
            flush()
            if isinstance(statement, Loop):
                phases.extend(self._loop(statement, guards))
            elif isinstance(statement, Branch):
                phases.extend(self._branch(statement, guards))
            elif isinstance(statement, While):
                phases.extend(self._while(statement, guards))
        flush()
        return tuple(phases)

    def _loop(self, loop: Loop, guards: tuple[Expr, ...]) -> Body:
        """A loop around barriers: as many rounds as the thread with the most takes."""
        if not tir.uses(loop.extent, self.threads) and not tir.has_load(loop.extent):
            inner = self._fission(loop.body, guards)
            return (Loop(loop.var, loop.extent, inner, False, loop.span),)
        self._require_uniform(loop.extent, loop)
        rounds, span = self._per_thread("rounds", loop.span), loop.span
        most = tirx.decl_buffer((1,), "int32", "most", scope="local")
        zero = tir.const(0, "int32")
        mine = Store(rounds, self.linear, tirx.max(loop.extent, zero), span)
        at = most[zero]
        found = Store(most, zero, tirx.max(at, rounds[self.linear]), span)
        inner = self._fission(loop.body, (*guards, loop.var < rounds[self.linear]))
        return (
            Alloc(most, span),
            Store(most, zero, zero, span),
            *self._threads([mine, found], guards, ordered=True),
            Loop(loop.var, at, inner, False, span),
        )

    def _branch(self, branch: Branch, guards: tuple[Expr, ...]) -> Body:
        test, span = branch.test, branch.span
        if not tir.uses(test, self.threads) and not tir.has_load(test):
            then, other = (self._fission(side, guards) for side in (branch.then, branch.other))
            return (Branch(test, then, other, span),)
        if not branch.early:
            self._require_uniform(test, branch)
        before: Body = ()
        if tir.has_load(test):
            flag = self._per_thread("taken", span)
            taken = Store(flag, self.linear, tirx.Cast("int32", test), span)
            before = self._threads([taken], guards)
            test = tirx.NE(flag[self.linear], tir.const(0, "int32"))
        then = self._fission(branch.then, (*guards, test))
        return (*before, *then, *self._fission(branch.other, (*guards, tirx.Not(test))))

    def _while(self, loop: While, guards: tuple[Expr, ...]) -> Body:
        """A loop around barriers whose end depends on data: while some thread goes on."""
        self._require_uniform(loop.test, loop)
        span, zero = loop.span, tir.const(0, "int32")
        flag = self._per_thread("active", span)
        some = tirx.decl_buffer((1,), "int32", "some", scope="local")
        active = tirx.NE(flag[self.linear], zero)
        again = Store(some, zero, tirx.max(some[zero], flag[self.linear]), span)

        def asked(test: Expr, who: tuple[Expr, ...]) -> Body:
            mine = Store(flag, self.linear, tirx.Cast("int32", test), span)
            return (
                Store(some, zero, zero, span),
                *self._threads([mine, again], who, ordered=True),
            )

        inner = self._fission(loop.body, (*guards, active))
        return (
            Alloc(some, span),
            *self._threads([Store(flag, self.linear, zero, span)], ()),
            *asked(loop.test, guards),
            While(tirx.NE(some[zero], zero), (*inner, *asked(loop.test, (*guards, active))), span),
        )

    def _per_thread(self, name: str, span: Span) -> Buffer:
        """An int for each thread of the block."""
        buffer = tirx.decl_buffer((self.count,), "int32", name, scope="local")
        self.expanded.append(Alloc(buffer, span))
        return buffer

    def _require_uniform(self, test: Expr, statement: Loop | Branch | While) -> None:
        """Refuses a block's barrier that not all of its threads reach.

        What depends on data alone is taken to be alike for them: a program for which it is not has
        no meaning.
        """
        strict = [barrier for barrier in barriers(statement) if not barrier.warp]
        if not strict:
            return
        expanded = list(self.mapping.values())
        if any(
            tir.uses(load.indices[0], self.threads)
            for load in tir.loads(test)
            if not any(load.source.same_as(buffer) for buffer in expanded)
        ):
            raise LiftError(
                "XP2001",
                "a barrier stands under a condition that depends on data of each thread",
                span=statement.span,
                hint="move the barrier out of the branch",
            )
        if tir.has_load(test):
            line = statement.span.line
            self.uniform.add(f"the condition in line {line} is the same for all threads of a block")
            return
        for _, place in self.thread.params:
            if not tirx.is_buffer_var(place) and tir.uses(test, [place]):
                name = str(place.name)
                raise LiftError(
                    "XP2003",
                    f"{name!r} has no value, and how often a barrier is passed depends on it",
                    span=statement.span,
                    hint=f"bind it: --arg {name}=512, or xt.Scalar({name!r}, value=512)",
                )
        if isinstance(statement, Branch):
            raise LiftError(
                "XP2001",
                "not every thread of the block reaches this barrier",
                span=strict[0].span,
                hint="move the barrier out of the branch; every thread must reach the same one",
            )
        raise LiftError(
            "XP2001",
            "a barrier stands in a loop whose length differs between threads",
            span=statement.span,
            hint="let every thread take the same number of rounds and guard the work inside",
        )

    def _threads(
        self, body: list[Statement], guards: tuple[Expr, ...], ordered: bool = False
    ) -> Body:
        """`body` for every thread that the guards let, under loops with variables of their own."""
        mapping: dict[Var, Expr] = {
            var: tirx.Var(var.name, "int32") for var, _ in self.thread.threads
        }
        span = body[0].span
        guarded: Body = tuple(body)
        if guards:
            guarded = (Branch(tir.conjunction(guards), guarded, (), span),)
        renamed = tuple(_substituted(statement, mapping) for statement in guarded)
        for var, extent in self.thread.threads:
            size = tir.const(extent, "int32")
            renamed = (Loop(mapping[var], size, renamed, not ordered, span),)
        return renamed


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


__all__ = ["NO_RACES", "sequential"]
