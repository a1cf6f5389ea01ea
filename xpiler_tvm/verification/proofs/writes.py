"""Blocks of the raised module: in bounds, no element stored twice, none read that is not stored.

A block's spatial axes may run in any order, so that no two of their points may store to one element
(`injective`). Blocks that store to one array do so to different parts of it (`disjoint`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import z3
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Var

from .accesses import Around
from .blocks import Raised, Touch
from .bounds import shown, within
from .encoding import Encoder
from .obligation import Kind, Obligation
from .points import Uncountable, Visits, happening
from .radix import told_apart
from .solver import PROVED, Answer, Solver, both


def writes(raised: Raised, solver: Solver, spans: Mapping[str, Span]) -> Iterator[Obligation]:
    """The obligations of blocks; `spans` are places in the source, by the name of the array that
    is stored to there, which names blocks too."""
    return _Writes(raised, solver, spans).all()


class _Writes:
    def __init__(self, raised: Raised, solver: Solver, spans: Mapping[str, Span]) -> None:
        self.raised = raised
        self.solver = solver
        self.spans = spans
        self.stores = [
            one
            for one in raised.touches
            if one.stores and not one.first and one.buffer.scope() != "local"
        ]

    def all(self) -> Iterator[Obligation]:
        for touch in self.raised.touches:
            yield self._made("bounds", touch.name, touch, self._inside(touch))
        for touch in self.stores:
            yield self._made("injective", touch.name, touch, self._injective(touch))
        for one, other in combinations(self.stores, 2):
            if one.buffer.same_as(other.buffer):
                subject = f"{one.name} and {other.name}"
                yield self._made("disjoint", subject, one, self._disjoint(one, other))
        yield from self._read_where_stored()

    def _made(self, kind: Kind, subject: str, touch: Touch, answer: Answer) -> Obligation:
        detail = answer.detail
        if answer.verdict == "refuted":
            detail = f"not for {shown(answer.values)}"
        span = self.spans.get(touch.block) or self.spans.get(str(touch.buffer.name))
        verdict, values = answer.verdict, answer.values
        return Obligation(kind, subject, verdict, answer.by, detail, values, span, raised=True)

    # ------------------------------------------------------------ bounds

    def _inside(self, touch: Touch) -> Answer:
        answer = PROVED
        for index, size in zip(touch.indices, touch.buffer.shape, strict=True):
            low, high = self.solver.bounds(index)
            extent = tir.constant_or_self(size)
            if isinstance(extent, int) and low >= 0 and high < extent:
                continue
            answer = both(answer, within(index, extent, touch.around, self.solver))
        return answer

    # ------------------------------------------------------------ injective

    def _injective(self, touch: Touch) -> Answer:
        solver = self.solver
        if told_apart(touch.flat, touch.apart, touch.around, solver):
            return PROVED
        first, second = solver.two_threads()
        facts = [
            z3.Or(
                z3.BoolVal(False, solver.context),
                *(first.number(var) != second.number(var) for var in touch.apart),
            )
        ]
        facts += [first.number(place) == second.number(place) for place in touch.indices]
        answer = self._twice(facts, [(first, touch.around), (second, touch.around)])
        if answer.verdict == "unknown":
            return self._counted(touch, touch, touch.apart) or answer
        return answer

    def _twice(self, facts: list[Any], places: list[tuple[Encoder, Around]]) -> Answer:
        """Whether facts about two points contradict each other."""
        encoders = [encoder for encoder, _ in places]
        for encoder, around in places:
            facts = [*facts, *self.solver.place(encoder, around)]
        for encoder in encoders:
            facts = [*facts, *self.solver.ranges(encoder)]
        return self.solver.answer(self.solver.ask(facts), encoders)

    def _counted(self, one: Touch, other: Touch, apart: Sequence[Var]) -> Answer | None:
        """Whether two touches never meet: at points that differ in the variables `apart`, at any
        points without these. `None` where there are too many points, or data decides."""
        try:
            mine, theirs = (
                self._visits(touch, apart, number if not apart else 0)
                for number, touch in enumerate((one, other))
            )
        except Uncountable:
            return None
        values = mine.meets(theirs)
        if values is None:
            return Answer("proved", "enumeration")
        return Answer("refuted", "enumeration", values=values)

    def _visits(self, touch: Touch, apart: Sequence[Var], owner: int) -> Visits:
        points, taken = happening(touch.around, [touch.flat, *apart], self.solver.most)
        owners = np.full(math.prod(points.shape), owner)
        for var in apart:
            owners = owners * self.solver.most(var) + points.all(var)
        return Visits(points, taken, points.all(touch.flat)[taken], owners[taken])

    # ------------------------------------------------------------ disjoint

    def _disjoint(self, one: Touch, other: Touch) -> Answer:
        for a, b in zip(one.indices, other.indices, strict=True):
            with self.solver.within(one.around):
                low, high = self.solver.bounds(a)
            with self.solver.within(other.around):
                least, most = self.solver.bounds(b)
            if high < least or most < low:
                return PROVED
        first, second = self.solver.two_threads()
        facts = [
            first.number(a) == second.number(b)
            for a, b in zip(one.indices, other.indices, strict=True)
        ]
        answer = self._twice(facts, [(first, one.around), (second, other.around)])
        if answer.verdict == "unknown":
            answer = self._counted(one, other, ()) or answer
        if answer.verdict == "refuted":  # no fault: the later store is the last in the source too
            return Answer("unknown", detail=f"their order matters, for {shown(answer.values)}")
        return answer

    # ------------------------------------------------------------ coverage

    def _read_where_stored(self) -> Iterator[Obligation]:
        """Blocks read of what others made only what these have stored."""
        for touch in self.raised.touches:
            makers = [one for one in self.stores if one.buffer.same_as(touch.buffer)]
            elsewhere = makers and all(one.block != touch.block for one in makers)
            kept = any(touch.buffer.same_as(one) for one in self.raised.kept)
            if touch.stores or not elsewhere or not kept:
                continue
            answer = self._stored_before(touch, makers)
            yield self._made("coverage", touch.name, touch, answer)

    def _stored_before(self, touch: Touch, makers: Sequence[Touch]) -> Answer:
        claims = []
        for maker in makers:
            values = dict(zip(maker.indices, touch.indices, strict=True))
            if not all(isinstance(place, tirx.Var) or tir.as_const(place) == 0 for place in values):
                return Answer("unknown", detail="what is read is made by an index of its own")
            own = [var for test in maker.around.tests for var in tir.variables(test)]
            if any(var in self.solver.data for var in own):
                return Answer("unknown", detail="it rests on data whether it is stored")
            claims.append(
                tir.conjunction(tir.substitute(test, values) for test in maker.around.tests)
            )
        whole = claims[0]
        for claim in claims[1:]:
            whole = tirx.Or(whole, claim)
        if tir.as_const(whole) == 1:
            return PROVED
        return self.solver.holds(whole, touch.around)


__all__ = ["writes"]
