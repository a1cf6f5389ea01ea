"""Which accesses of two threads no barrier orders.

    s[t] = x; barrier;                       phases: {s[t] = x}
    for i: { y = s[t+1]; barrier;                    {y = s[t+1]} of the first round
             s[t] = y; barrier }                     {s[t] = y} of each round
                                                     {the rest of a round, the start of the next}

All threads pass the same barriers in the same order, so that variables of loops around a barrier
have the same value in both threads of a phase, or one more in a phase that goes on to the next
round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.program import Barrier
from xpiler_tvm.tir import Expr, Var

from .accesses import Access, Around, Either, Node, Repeat


@dataclass(frozen=True, eq=False)
class Event:
    """An access in a round of the loops around barriers: `at` says which, where it is the first,
    the last or the next one.

    It takes part where control has passed branches and loops around barriers, under the tests
    `passed`.
    """

    access: Access
    at: Mapping[Var, Expr]
    passed: tuple[Expr, ...] = ()

    def moved(self, var: Var, to: Expr) -> Event:
        at = {other: tir.substitute(value, {var: to}) for other, value in self.at.items()}
        passed = tuple(tir.substitute(test, {var: to}) for test in self.passed)
        return replace(self, at={**at, var: to}, passed=passed)

    def under(self, tests: tuple[Expr, ...]) -> Event:
        return replace(self, passed=(*self.passed, *tests)) if tests else self

    @property
    def index(self) -> Expr:
        return tir.substitute(self.access.index, self.at)

    @property
    def around(self) -> Around:
        """The loops and tests around the access in its round, which is one of the loop's."""
        given, tests = self.access.around, list(self.passed)
        loops = [(var, tir.substitute(extent, self.at)) for var, extent in given.loops]
        for var, extent in loops:
            if var in self.at:
                zero = tir.const(0, tir.dtype_of(var))
                tests += [self.at[var] >= zero, self.at[var] < extent]
        tests += [tir.substitute(test, self.at) for test in given.tests]
        return Around(tuple(loop for loop in loops if loop[0] not in self.at), tuple(tests))


@dataclass(frozen=True, eq=False)
class Phase:
    """Events that no barrier orders; the variables in `shared` are the same for both threads."""

    events: tuple[Event, ...]
    shared: tuple[tuple[Var, Expr], ...] = ()

    def inside(self, var: Var, extent: Expr) -> Phase:
        return replace(self, shared=(*self.shared, (var, extent)))


@dataclass(frozen=True, eq=False)
class _Flow:
    """Events up to the first barrier and behind the last one, and the phases between.

    Under the tests in `passes` control goes through without a barrier, never where that is `None`;
    where nothing has a barrier, what is before the first and what is behind the last are the same.
    """

    first: tuple[Event, ...]
    phases: tuple[Phase, ...]
    last: tuple[Event, ...]
    passes: tuple[Expr, ...] | None
    plain: bool


def _without_barrier(events: tuple[Event, ...]) -> _Flow:
    return _Flow(events, (), events, (), True)


_NOTHING = _without_barrier(())


def phases(nodes: Iterable[Node], lanes: int) -> list[Phase]:
    """The phases between barriers at which more than `lanes` - 1 threads meet."""
    flow = _flow(tuple(nodes), lanes)
    ends = [Phase(flow.first)] if flow.plain else [Phase(flow.first), Phase(flow.last)]
    return [phase for phase in (*flow.phases, *ends) if phase.events]


def _flow(nodes: Sequence[Node], lanes: int) -> _Flow:
    flow = _NOTHING
    for node in nodes:
        flow = _then(flow, _of(node, lanes))
    return flow


def _of(node: Node, lanes: int) -> _Flow:
    match node:
        case Access():
            return _without_barrier((Event(node, {}),))
        case Barrier():
            return replace(_NOTHING, passes=None, plain=False) if node.lanes >= lanes else _NOTHING
        case Repeat(var, extent, body):
            return _repeated(var, extent, _flow(body, lanes))
        case Either(test, then, other):
            return _either(test, _flow(then, lanes), _flow(other, lanes))
    raise TypeError(type(node).__name__)


def _then(a: _Flow, b: _Flow) -> _Flow:
    if a.plain and b.plain:
        return _without_barrier((*a.first, *b.first))
    between: tuple[Phase, ...] = ()
    if not a.plain and not b.plain:
        between = (Phase((*a.last, *b.first)),)
    first, last, passes = a.first, b.last, None
    if a.passes is not None:
        first = (*first, *_under(a.passes, b.first))
    if b.passes is not None:
        last = (*last, *_under(b.passes, a.last))
    if a.passes is not None and b.passes is not None:
        passes = (*a.passes, *b.passes)
    return _Flow(first, (*a.phases, *b.phases, *between), last, passes, False)


def _under(tests: tuple[Expr, ...], events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(event.under(tests) for event in events)


def _either(test: Expr, a: _Flow, b: _Flow) -> _Flow:
    events = (*a.first, *b.first)
    if a.plain and b.plain:
        return _without_barrier(events)
    ways = [
        tir.conjunction((side, *flow.passes))
        for side, flow in ((test, a), (tirx.Not(test), b))
        if flow.passes is not None
    ]
    passes = (reduce(tirx.Or, ways),) if ways else None
    return _Flow(events, (*a.phases, *b.phases), (*a.last, *b.last), passes, False)


def _repeated(var: Var | None, extent: Expr, body: _Flow) -> _Flow:
    if body.plain:
        return body
    if var is None:  # as often as data says: rounds are told apart by nothing
        between = Phase((*body.last, *body.first))
        return replace(body, phases=(*body.phases, between), passes=_perhaps())
    one = tir.const(1, tir.dtype_of(var))
    phases = tuple(phase.inside(var, extent) for phase in body.phases)
    if body.passes is not None:  # several rounds may pass between two barriers
        first, last = _under(_perhaps(), body.first), _under(_perhaps(), body.last)
        return _Flow(first, (*phases, Phase((*last, *first))), last, _perhaps(), False)
    following = tuple(event.moved(var, var + one) for event in body.first)
    between = Phase((*body.last, *following)).inside(var, extent)
    first = tuple(event.moved(var, tir.const(0, tir.dtype_of(var))) for event in body.first)
    last = tuple(event.moved(var, extent - one) for event in body.last)
    rounds = tir.as_const(extent)
    passes = None if rounds is not None and rounds > 0 else (extent < one,)
    return _Flow(first, (*phases, between), last, passes, False)


def _perhaps() -> tuple[Expr, ...]:
    """A test about which nothing is known."""
    return (tirx.Var("perhaps", "bool"),)


__all__ = ["Event", "Phase", "phases"]
