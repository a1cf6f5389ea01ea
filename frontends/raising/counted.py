"""Loops that count up to a bound although the text does not say so.

    i = t; while (i < 60 && i < t + 4) { …; i = i + 1; }
        ->    for k < 4: if (t + k < 60 && t + k < t + 4) { … t + k … }

Only tests that once false stay false, of a counter that nothing else moves. Where data says when
that is, the loop counts as far as an array on the chip has elements for it:

    __shared__ s[75]; i = t; while (i < length[b]) { s[i] = …; i = i + 64; }
        ->    for k < 2: if (t + 64*k < length[b]) s[t + 64*k] = …
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import tvm
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import (
    Alloc,
    Body,
    Branch,
    Loop,
    Program,
    Statement,
    Store,
    While,
    map_body,
    statements,
)
from .integers import plain
from .invert import linear
from .tensors import Axis, is_choice, knowing, outermost_choices

LONGEST = 1 << 20  # iterations


def count_loops(program: Program) -> Program:
    """The program with such loops as counted ones."""
    return replace(program, body=_body(program.body, (), ()))


def _body(body: Body, axes: tuple[Axis, ...], tests: tuple[Expr, ...]) -> Body:
    done: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop):
            extent = tir.as_const(statement.extent)
            inner = axes if extent is None else (*axes, (statement.var, extent))
            done.append(replace(statement, body=_body(statement.body, inner, tests)))
        elif isinstance(statement, Branch):
            holds = [part for part in tir.conjuncts(statement.test) if not tir.has_load(part)]
            then = _body(statement.then, axes, (*tests, *holds))
            other = _body(statement.other, axes, tests)
            done.append(replace(statement, then=then, other=other))
        elif isinstance(statement, While):
            inside = _body(statement.body, axes, tests)
            loop = replace(statement, body=inside)
            with knowing(axes, tests) as analyzer:
                found = _counted(loop, done, analyzer)
            done.append(found or loop)
        else:
            done.append(statement)
    return tuple(done)


@dataclass(frozen=True, eq=False)
class _Counter:
    """`buffer[index]`, which starts at `start` and moves by `step`; `place` is of its update."""

    buffer: Buffer
    index: Expr
    start: Expr
    step: int
    place: int


def _counted(loop: While, before: list[Statement], analyzer: Any) -> Loop | None:
    tests = _conjuncts(loop.test)
    counter = _counter(loop, tests, before, analyzer)
    if counter is None or counter.step <= 0:
        return None
    var = tirx.Var(str(counter.buffer.name), "int32")
    value = analyzer.simplify(counter.start + var * counter.step)
    tests = [_at(test, counter, value) for test in tests]
    rounds = [_rounds(test, var, analyzer) for test in tests if not tir.has_load(test)]
    data = [test for test in tests if tir.has_load(test)]
    if data:
        if not all(_falls(test, var, loop) for test in data):
            return None
        rounds.append(_fitting(loop, counter, value, var, analyzer))
    if None in rounds:
        return None
    count = min(number for number in rounds if number is not None)
    if count > LONGEST:
        return None
    later = analyzer.simplify(value + counter.step)
    head = map_body(loop.body[: counter.place], lambda expr: _at(expr, counter, value))
    tail = map_body(loop.body[counter.place + 1 :], lambda expr: _at(expr, counter, later))
    # What comes after the loop may read the counter.
    update = Store(counter.buffer, counter.index, later, loop.span)
    inside = Branch(tir.conjunction(tests), (*head, update, *tail), (), loop.span)
    return Loop(var, tir.const(max(count, 0), "int32"), (inside,), False, loop.span)


def _conjuncts(test: Expr) -> list[Expr]:
    """The parts of a test in the reader's spelling, `a ? b : false`."""
    if is_choice(test) and tir.as_const(test.args[2]) == 0:
        return _conjuncts(test.args[0]) + _conjuncts(test.args[1])
    return [
        part for one in tir.conjuncts(test) for part in ([one] if one is test else _conjuncts(one))
    ]


def _counter(
    loop: While, tests: list[Expr], before: list[Statement], analyzer: Any
) -> _Counter | None:
    """The one number in the tests that the loop moves."""
    stored = [one for one in statements(loop.body) if isinstance(one, Store)]
    moved = {one.buffer for one in stored}
    read = [load for test in tests for load in tir.loads(test) if load.source in moved]
    if not read or any(not tir.same(read[0], other) for other in read):
        return None
    buffer, index = read[0].source, read[0].indices[0]
    updates = [one for one in stored if one.buffer.same_as(buffer)]
    places = [k for k, one in enumerate(loop.body) if one is updates[0]]
    start = start_of(buffer, index, before)
    if len(updates) != 1 or not places or start is None or buffer.scope() != "local":
        return None
    if not tir.same(updates[0].index, index) or tir.dtype_of(start) != "int32":
        return None
    step = _step(updates[0].value, read[0], start, tests, analyzer)
    return None if step is None else _Counter(buffer, index, start, step, places[0])


def start_of(buffer: Buffer, index: Expr, before: list[Statement]) -> Expr | None:
    """What the statements before the loop leave in an element."""
    for statement in reversed(before):
        if isinstance(statement, Store):
            if not statement.buffer.same_as(buffer):
                continue
            same = tir.same(statement.index, index) and not tir.has_load(statement.value)
            return statement.value if same else None
        if not isinstance(statement, Alloc) and any(
            isinstance(one, Store) and one.buffer.same_as(buffer)
            for one in statements((statement,))
        ):
            return None
    return None


def _step(value: Expr, counter: Expr, start: Expr, tests: list[Expr], analyzer: Any) -> int | None:
    """By how much an update moves the counter, which lies between its start and the bounds."""
    now = tirx.Var("now", "int32")
    least = tir.bounds(analyzer, start)[0]
    moved = with_value(value, counter, now)
    bounds = [with_value(test, counter, now) for test in tests]
    most = [_most(bound, now, analyzer) for bound in bounds if not tir.has_load(bound)]
    known = [number for number in most if number is not None]
    if known and least > -tir.INT_INF:
        analyzer.bind(now, tvm.ir.Range(least, max(min(known), least) + 1))
    return tir.as_const(analyzer.simplify(plain(moved, analyzer) - now))


def _most(test: Expr, now: Var, analyzer: Any) -> int | None:
    """The largest value of a number for which a test can hold."""
    room = _room(test)
    found = linear(room, [now]) if room is not None else None
    if found is None or found[0][0] >= 0:
        return None
    high = tir.bounds(analyzer, found[1])[1]
    return high // -found[0][0] if high < tir.INT_INF else None


def _rounds(test: Expr, var: Var, analyzer: Any) -> int | None:
    """How many values of `var`, from 0 on, a test holds for at most; it then never holds again."""
    most = _most(test, var, analyzer)
    return None if most is None else most + 1


def _falls(test: Expr, var: Var, loop: While) -> bool:
    """Whether a test of data never holds again once it does not, as `var` grows."""
    room = _room(test)
    found = linear(room, [var]) if room is not None else None
    moved = {one.buffer for one in statements(loop.body) if isinstance(one, Store)}
    still = not any(load.source in moved for load in tir.loads(test))
    return found is not None and found[0][0] < 0 and still


def _fitting(loop: While, counter: _Counter, value: Expr, var: Var, analyzer: Any) -> int | None:
    """How many rounds an array on the chip has elements for: such an array is as long as data may
    be, where one in global memory holds many rows."""
    found: list[int] = []

    def note(buffer: Buffer, index: Expr) -> None:
        if buffer.scope() == "global":
            return
        room = linear(_at(index, counter, value), [var])
        low = tir.bounds(analyzer, room[1])[0] if room is not None else -tir.INT_INF
        if room is not None and room[0][0] > 0 and low > -tir.INT_INF:
            found.append((int(buffer.shape[0]) - 1 - low) // room[0][0] + 1)

    for one in loop.body[: counter.place]:
        if isinstance(one, Store):
            note(one.buffer, one.index)
            if not outermost_choices(one.value):
                for load in tir.loads(one.value):
                    note(load.source, load.indices[0])
    return min(found, default=None)


def _room(test: Expr) -> Expr | None:
    """`e` of a test `e >= 0`."""
    if isinstance(test, (tirx.LT, tirx.GT)):
        low, high = (test.a, test.b) if isinstance(test, tirx.LT) else (test.b, test.a)
        return high - low - 1 if tir.is_int(low) else None
    if isinstance(test, (tirx.LE, tirx.GE)):
        low, high = (test.a, test.b) if isinstance(test, tirx.LE) else (test.b, test.a)
        return high - low if tir.is_int(low) else None
    return None


def _at(expr: Expr, counter: _Counter, value: Expr) -> Expr:
    return with_value(expr, counter.buffer[counter.index], value)


def with_value(expr: Expr, counter: Expr, value: Expr) -> Expr:
    """`expr` with a value in place of the reads of one element."""

    def change(load: Expr) -> Expr:
        return value if tir.same(load, counter) else load

    return tir.map_loads(expr, change)
