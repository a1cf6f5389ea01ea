"""Numbers that a loop only toggles, as functions of the iteration.

    at = 0; for k: { … s[at] …; at = at ^ 1 }     ->    for k: … s[k % 2] …

Which slot of a buffer is filled is mostly told by such a number. What an update makes of a number
is found by doing it until the first value comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.tirx import BitwiseXor

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr

from ..program import Body, Branch, Loop, Program, Statement, Store, While, map_body, statements
from .counted import start_of, with_value
from .tensors import knowing

LONGEST = 16  # values


def close_cycles(program: Program) -> Program:
    """The program with such numbers as expressions; their stores stay, for what comes later."""
    return replace(program, body=_body(program.body))


def _body(body: Body) -> Body:
    done: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop):
            loop = statement if statement.parallel else _closed(statement, done)
            done.append(replace(loop, body=_body(loop.body)))
        elif isinstance(statement, While):
            done.append(replace(statement, body=_body(statement.body)))
        elif isinstance(statement, Branch):
            then, other = _body(statement.then), _body(statement.other)
            done.append(replace(statement, then=then, other=other))
        else:
            done.append(statement)
    return tuple(done)


def _closed(loop: Loop, before: list[Statement]) -> Loop:
    stored = [one.buffer for one in statements(loop.body) if isinstance(one, Store)]
    for place, update in enumerate(loop.body):
        if not isinstance(update, Store) or update.buffer.scope() != "local":
            continue
        start = start_of(update.buffer, update.index, before)
        if stored.count(update.buffer) != 1 or start is None:
            continue
        values = _values(update, tir.as_const(start))
        if values is None:
            continue
        with knowing(()) as analyzer:
            now = _of_round(values, loop.var, analyzer)
            later = _of_round(values, loop.var + 1, analyzer)
            loop = replace(loop, body=_with(loop.body, place, now, later, analyzer))
    return loop


def _with(body: Body, place: int, now: Expr, later: Expr, analyzer: Any) -> Body:
    """A body with the values that a number has before and after its update."""
    update = body[place]
    assert isinstance(update, Store)
    own = update.buffer[update.index]

    def at(value: Expr) -> Callable[[Expr], Expr]:
        return lambda expr: _without_xor(with_value(expr, own, value), analyzer)

    head, tail = map_body(body[:place], at(now)), map_body(body[place + 1 :], at(later))
    return (*head, replace(update, value=later), *tail)


def _values(update: Store, start: int | None) -> list[int] | None:
    """The values that an update of a number by itself goes through, from `start` to `start`."""
    own = update.buffer[update.index]
    others = [load for load in tir.loads(update.value) if not tir.same(load, own)]
    if start is None or others or tir.dtype_of(update.value) != "int32":
        return None
    values = [start]
    with knowing(()) as analyzer:
        for _ in range(LONGEST):
            value = tir.const(values[-1], "int32")
            moved = _without_xor(with_value(update.value, own, value), analyzer)
            following = tir.as_const(analyzer.simplify(moved))
            if following is None:
                return None
            if following == start:
                return values
            values.append(following)
    return None


def _without_xor(expr: Expr, analyzer: Any) -> Expr:
    """With `a ^ b` of constants computed, and of a number of which b flips all bits as `b - a`."""

    def change(node: Expr) -> Expr:
        flips, (low, high) = tir.as_const(node.b), tir.bounds(analyzer, node.a)
        if flips is not None and flips & (flips + 1) == 0 and low >= 0 and high <= flips:
            return node.b - node.a
        return node.a ^ node.b

    return tvm_ffi.structural_map(expr, (BitwiseXor, change), order="post")


def _of_round(values: list[int], round_: Expr, analyzer: Any) -> Expr:
    """The value that a round starts with."""
    turn = tirx.floormod(round_, len(values))
    step = values[1] - values[0] if len(values) > 1 else 0
    if all(value == values[0] + k * step for k, value in enumerate(values)):
        return analyzer.simplify(turn * step + values[0])
    value = tir.const(values[-1], "int32")
    for number, known in reversed(list(enumerate(values[:-1]))):
        value = tirx.Select(tirx.EQ(turn, number), tir.const(known, "int32"), value)
    return analyzer.simplify(value)
