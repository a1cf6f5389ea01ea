"""Barriers at which the memory cores of BANG C and the others meet, each at a statement of its own.

    if mpu: A; barrier; for i: { B; barrier }           if mpu: A else: C
    else:   C; barrier; for j: { D; barrier }    ->     barrier
                                                        for i: { if mpu: B else: D; barrier }

The hardware counts who comes, whatever line they stand in. Both sides must have their barriers in
the same order and in loops of the same lengths.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, Span
from xpiler_tvm.tir import Expr

from ..program import Alloc, Barrier, Body, Branch, Loop, Statement, While, barriers, map_body

if TYPE_CHECKING:
    from .tasks import Cores

HINT = "the memory core counts: __sync_all_ipu() waits for the others alone"


def join_meetings(body: Body, cores: Cores) -> Body:
    """A core's program in which no barrier for both kinds of cores depends on the kind.

    Raises `LiftError` XP2001 where one kind comes to a barrier and the other does not.
    """
    joined: list[Statement] = []
    for statement in body:
        if isinstance(statement, Branch) and _meets(statement, cores):
            then, other = (join_meetings(side, cores) for side in (statement.then, statement.other))
            if cores.tells_kinds(statement.test):
                joined += _joined(statement.test, then, other, cores, statement.span)
            else:
                joined.append(replace(statement, then=then, other=other))
        elif isinstance(statement, (Loop, While)):
            joined.append(replace(statement, body=join_meetings(statement.body, cores)))
        else:
            joined.append(statement)
    return tuple(joined)


def _meetings(statement: Statement, cores: Cores) -> list[Barrier]:
    """The barriers for both kinds of cores: of a cluster, or of all."""
    whole = (cores.job.lanes, cores.job.cores)
    return [barrier for barrier in barriers(statement) if barrier.lanes in whole]


def _meets(statement: Statement, cores: Cores) -> bool:
    return bool(_meetings(statement, cores))


def _joined(test: Expr, then: Body, other: Body, cores: Cores, span: Span) -> Body:
    """Two programs, of those cores for which `test` holds and of the others, as one."""
    joined: list[Statement] = []
    for (one, meeting), (two, its_meeting) in zip_longest(
        _steps(then, cores), _steps(other, cores), fillvalue=((), None)
    ):
        # What one side declares lives on behind its barrier.
        joined += [part for part in (*one, *two) if isinstance(part, Alloc)]
        mine, its = (tuple(p for p in side if not isinstance(p, Alloc)) for side in (one, two))
        if mine or its:
            joined.append(Branch(test, mine, its, span))
        if meeting is not None or its_meeting is not None:
            joined.append(_meeting(test, meeting, its_meeting, cores))
    return tuple(joined)


def _steps(body: Body, cores: Cores) -> list[tuple[Body, Statement | None]]:
    """What comes before each statement with a barrier, with that statement; the rest at the end."""
    steps: list[tuple[Body, Statement | None]] = []
    before: list[Statement] = []
    for statement in body:
        if _meets(statement, cores):
            steps.append((tuple(before), statement))
            before = []
        else:
            before.append(statement)
    return [*steps, (tuple(before), None)]


def _meeting(test: Expr, one: Statement | None, two: Statement | None, cores: Cores) -> Statement:
    """One statement for two that hold barriers."""
    match one, two:
        case Barrier(), Barrier() if one.lanes == two.lanes:
            return two
        case Loop(), Loop() if tir.same(one.extent, two.extent):
            renamed = {one.var: two.var}
            first = map_body(one.body, lambda expr: tir.substitute(expr, renamed))
            return replace(two, body=_joined(test, first, two.body, cores, two.span))
        case Branch(), Branch() if tir.same(one.test, two.test):
            then = _joined(test, one.then, two.then, cores, two.span)
            return replace(
                two, then=then, other=_joined(test, one.other, two.other, cores, two.span)
            )
    found = [barrier for each in (two, one) if each for barrier in _meetings(each, cores)]
    raise LiftError(
        "XP2001",
        "not every core that this barrier waits for comes to it",
        span=found[0].span,
        hint=HINT,
    )
