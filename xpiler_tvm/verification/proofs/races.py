"""No two threads meet at an element of shared or global memory that one of them stores to.

The two-thread argument: for each array and each phase between barriers, accesses of a thread and of
another one whose indices are the same cannot be. Threads of a block are taken in the groups that
wait for each other: those of a warp see each other's stores after a barrier of the warp, those of
different warps only after one of the block, and those of different blocks never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import tvm_ffi
import z3

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.partial_eval import ThreadProgram
from xpiler_tvm.frontends.program import Barrier
from xpiler_tvm.tir import Buffer, Expr, Var

from .accesses import Around, Either, Node, Repeat, Trace
from .bounds import shown
from .encoding import Encoder
from .obligation import OTHER, Obligation, Prover, Values
from .phases import Event, Phase, phases
from .points import Points, Uncountable, Visits
from .radix import told_apart
from .solver import PROVED, UNDECIDED, Answer, Solver, values_of


@dataclass(frozen=True, eq=False)
class _Pair:
    """Which two threads are meant: the same number in groups of `together` threads, different ones
    in groups of `apart`; of different blocks where `together` is 0. `words` says so."""

    together: int
    apart: int
    words: str


def races(thread: ThreadProgram, trace: Trace, solver: Solver) -> Iterator[Obligation]:
    """One obligation for each array and each phase in which it is stored to."""
    return _Races(thread, trace, solver).all()


class _Races:
    def __init__(self, thread: ThreadProgram, trace: Trace, solver: Solver) -> None:
        self.solver = solver
        self.trace = trace
        self.threads, self.blocks = thread.threads, thread.blocks
        self.size = 1
        self.linear: Expr = tir.const(0, "int32")
        for var, extent in thread.threads:
            self.linear = self.linear + var * self.size
            self.size *= extent
        stored = {access.buffer for access in trace.accesses if access.stores}
        seen = dict.fromkeys(access.buffer for access in trace.accesses)
        self.buffers = [
            buffer
            for buffer in seen
            if buffer in stored and buffer.scope() != "local" and buffer not in thread.shown
        ]

    def all(self) -> Iterator[Obligation]:
        if self.size > 1:
            yield from self._within_blocks()
        if self.blocks:
            pair = _Pair(0, 0, "threads of different blocks")
            events = [Event(access, {}) for access in self.trace.accesses]
            for buffer in self.buffers:
                if buffer.scope() != "shared":
                    yield from self._obligation(buffer, Phase(tuple(events)), pair)

    def _within_blocks(self) -> Iterator[Obligation]:
        lanes = {min(one.lanes, self.size) for one in _barriers(self.trace.nodes)} - {1}
        sizes = [*sorted({*lanes, self.size}, reverse=True), 1]
        for together, apart in pairwise(sizes):
            words = "threads"
            if together < self.size:
                words = f"threads of the same {together}"
            elif apart > 1:
                words = f"threads of different {apart}"
            pair = _Pair(together, apart, words)
            for phase in phases(self.trace.nodes, together):
                for buffer in self.buffers:
                    yield from self._obligation(buffer, phase, pair)

    def _obligation(self, buffer: Buffer, phase: Phase, pair: _Pair) -> Iterator[Obligation]:
        events = [event for event in phase.events if event.access.buffer.same_as(buffer)]
        stores = [event for event in events if event.access.stores]
        if not stores:
            return
        answer, where = self._decided(_distinct(events), phase, pair)
        lines = sorted({event.access.span.line for event in events})
        place = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
        span = where or stores[0].access.span
        yield Obligation(
            "race",
            f"{buffer.name}, {pair.words}, {place}",
            answer.verdict,
            answer.by,
            answer.detail,
            answer.values,
            span,
        )

    def _decided(
        self, events: Sequence[Event], phase: Phase, pair: _Pair
    ) -> tuple[Answer, Span | None]:
        if all(event.access.atomic for event in events):
            return Answer("proved", "reading"), None
        if self._told_apart(events, phase, pair):
            return PROVED, None
        answer, where = self._two_threads(events, phase, pair)
        if answer.verdict == "unknown":
            return self._counted(events, phase, pair) or (answer, where)
        return answer, where

    # ------------------------------------------------------------ by the index alone

    def _told_apart(self, events: Sequence[Event], phase: Phase, pair: _Pair) -> bool:
        """Whether all use one index, which tells who uses it."""
        index = events[0].index
        if any(not tir.same(index, event.index) for event in events[1:]):
            return False
        alike = [var for var, _ in phase.shared]
        alike += [var for var, _ in self.blocks] if pair.together else []
        who = [var for var, _ in (self.threads if pair.together else self.blocks)]
        only = len({event.access.around for event in events}) == 1
        only = only and not any(event.at for event in events)
        around = events[0].around if only else Around()
        return told_apart(index, who, around, self.solver, alike)

    # ------------------------------------------------------------ by z3

    def _two_threads(
        self, events: Sequence[Event], phase: Phase, pair: _Pair
    ) -> tuple[Answer, Span | None]:
        solver = self.solver
        alike = [var for var, _ in phase.shared]
        alike += [var for var, _ in self.blocks] if pair.together else []
        first, second = solver.two_threads(alike)
        element = z3.Int("element", solver.context)
        mine = [self._at(event, first, element) for event in events]
        theirs = [self._at(event, second, element) for event in events]
        facts = self._apart(first, second, pair)
        facts += [*solver.ranges(first), *solver.ranges(second)]

        def meeting(among: Sequence[int]) -> Any:
            return solver.ask([*facts, _meeting(events, mine, theirs, among)])

        model = meeting(range(len(events)))
        if model is None or model is UNDECIDED:
            return solver.answer(model, []), None
        doubts = [self._doubt(event) for event in events]
        certain = [number for number, doubt in enumerate(doubts) if not doubt]
        if len(certain) < len(events):
            one, other = _met(model, events, mine, theirs)
            doubt = doubts[one] or doubts[other]
            model = meeting(certain)
            if model is None or model is UNDECIDED:
                return Answer("unknown", detail=doubt), events[one].access.span
        one, other = _met(model, events, mine, theirs)
        values = self._values(model, [first, second], [events[one], events[other]])
        return self._refuted("z3", values, events[one], events[other]), events[one].access.span

    def _at(self, event: Event, encoder: Encoder, element: Any) -> Any:
        """That a thread is at the event, and its index is the element."""
        return z3.And(
            element == encoder.number(event.index), *self.solver.place(encoder, event.around)
        )

    def _apart(self, first: Encoder, second: Encoder, pair: _Pair) -> list[Any]:
        """That the two are different threads, of the same group or of different ones."""
        if not pair.together:
            return [z3.Or(*(first.number(var) != second.number(var) for var, _ in self.blocks))]
        mine, theirs = first.number(self.linear), second.number(self.linear)
        found = [mine / pair.apart != theirs / pair.apart]
        if pair.together < self.size:
            found.append(mine / pair.together == theirs / pair.together)
        return found

    def _doubt(self, event: Event) -> str:
        """Why control may never come to the event, or with another index; empty without reason."""
        exprs = [event.index, *event.around.tests, *(extent for _, extent in event.around.loops)]
        names = [var for expr in exprs for var in tir.variables(expr)]
        if doubt := self.solver.doubt(names):
            return doubt
        encoder = Encoder(self.solver.context, {})
        self._at(event, encoder, encoder.number(event.index))
        return "a test here has no form in integers" if encoder.guessed else ""

    def _values(self, model: Any, encoders: list[Encoder], events: list[Event]) -> Values:
        """Ids of the two threads and their loops, without those of other events."""
        used = [var for var, _ in (*self.blocks, *self.threads)]
        for event in events:
            used += [var for var, _ in event.access.around.loops]
            used += tir.variables(event.index)
        names = {str(var.name) for var in used}
        found = values_of(model, encoders)
        return tuple((name, value) for name, value in found if name.rstrip(OTHER) in names)

    def _refuted(self, by: Prover, values: Values, one: Event, other: Event) -> Answer:
        at = f"line {other.access.span.line}"
        met = "the same" if one.access is other.access else f"the {other.access.name} in {at}"
        return Answer("refuted", by, f"{one.access.name} meets {met}: {shown(values)}", values)

    # ------------------------------------------------------------ by counting

    def _counted(
        self, events: Sequence[Event], phase: Phase, pair: _Pair
    ) -> tuple[Answer, Span | None] | None:
        """The answer from all points of all events; `None` where these are too many or rest on
        data."""
        alike = {var for var, _ in phase.shared}
        alike |= {var for var, _ in self.blocks} if pair.together else set()
        used = {
            var
            for event in events
            for expr in (event.index, *event.around.tests)
            for var in tir.variables(expr)
            if var in alike
        }
        try:
            found = [self._points(event, sorted(used, key=str), pair) for event in events]
        except Uncountable:
            return None
        for left, right in _sides(events, range(len(events))):
            for one in left:
                for other in right:
                    values = found[one].meets(found[other])
                    if values is not None:
                        answer = self._refuted("enumeration", values, events[one], events[other])
                        return answer, events[one].access.span
        return Answer("proved", "enumeration"), None

    def _points(self, event: Event, alike: Sequence[Var], pair: _Pair) -> Visits:
        """Where an event happens: the element with what is alike for both threads, and whose it
        is."""
        ids = self.threads if pair.together else (*self.blocks, *self.threads)
        loops = [var for var, _ in event.around.loops if var not in alike]
        shared, own, loops = (
            [(var, self.solver.most(var)) for var in names]
            for names in (alike, [var for var, _ in ids], loops)
        )
        points = Points([*shared, *own, *loops])
        if pair.together:
            linear = points.all(self.linear)
            owner, group = linear // pair.apart, linear // pair.together
        else:
            blocks: Expr = tir.const(0, "int32")
            for var, extent in self.blocks:
                blocks = blocks * extent + var
            owner = points.all(blocks)
            group = np.zeros_like(owner)
        for var, extent in shared:
            group = group * extent + points.all(var)
        size = tir.as_const(event.access.buffer.shape[0])
        if size is None:
            raise Uncountable
        key = group * size + points.all(event.index)
        taken = points.taken(event.around)
        return Visits(points, taken, key[taken], owner[taken])


def _sides(events: Sequence[Event], among: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which events collide with which, by number: stores with all others, atomics not with each
    other."""
    every = list(among)
    plain = [number for number in every if not events[number].access.atomic]
    stores = [number for number in every if events[number].access.stores]
    return [
        ([number for number in stores if number in plain], every),
        ([number for number in stores if number not in plain], plain),
    ]


def _meeting(
    events: Sequence[Event], mine: Sequence[Any], theirs: Sequence[Any], among: Sequence[int]
) -> Any:
    """That two of the events collide."""
    context = mine[0].ctx
    none = z3.BoolVal(False, context)
    return z3.Or(
        none,
        *(
            z3.And(z3.Or(none, *(mine[i] for i in left)), z3.Or(none, *(theirs[i] for i in right)))
            for left, right in _sides(events, among)
        ),
    )


def _met(
    model: Any, events: Sequence[Event], mine: Sequence[Any], theirs: Sequence[Any]
) -> tuple[int, int]:
    """The numbers of two events that collide in a model."""

    def true(formula: Any) -> bool:
        return z3.is_true(model.eval(formula, model_completion=True))

    for left, right in _sides(events, range(len(events))):
        one = next((number for number in left if true(mine[number])), None)
        other = next((number for number in right if true(theirs[number])), None)
        if one is not None and other is not None:
            return one, other
    raise AssertionError("the model holds no collision")


def _distinct(events: Sequence[Event]) -> list[Event]:
    """Events without those that are like another."""
    seen: dict[tuple[Any, ...], Event] = {}
    for event in events:
        around = event.around
        exprs = (event.index, *around.tests)
        key = (
            event.access.stores,
            event.access.atomic,
            tuple(int(tvm_ffi.structural_hash(expr, map_free_vars=False)) for expr in exprs),
            tuple(var for var, _ in around.loops),
        )
        seen.setdefault(key, event)
    return list(seen.values())


def _barriers(nodes: Iterable[Node]) -> Iterator[Barrier]:
    for node in nodes:
        if isinstance(node, Barrier):
            yield node
        elif isinstance(node, Repeat):
            yield from _barriers(node.body)
        elif isinstance(node, Either):
            yield from _barriers((*node.then, *node.other))


__all__ = ["races"]
