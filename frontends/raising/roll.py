"""Steps that a program writes out one after another, as the loop they came from.

    s[4*t] = x[i];  …  s[4*t + 3] = x[i + 3];     ->    for j < 4: s[4*t + j] = x[i + j];

Vector types and unrolled loops end as loops, also where each step is several stores. The order of
the stores stays as it is; a form is taken only if it gives every written-out step back exactly.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from ..program import Body, Branch, Loop, Program, Statement, Store, While
from .reroll import family
from .tensors import Axis, knowing

LONGEST_STEP = 16  # stores


def roll(program: Program) -> Program:
    """The program with such runs of stores as loops."""
    return replace(program, body=_rolled(program.body, ()))


def _rolled(body: Body, axes: tuple[Axis, ...]) -> Body:
    done: list[Statement] = []
    run: list[Store] = []
    for statement in body:
        if isinstance(statement, Store) and not statement.atomic:
            run.append(statement)
            continue
        done += _loops(run, axes)
        run = []
        if isinstance(statement, Loop):
            extent = tir.as_const(statement.extent)
            inner = axes if extent is None else (*axes, (statement.var, extent))
            done.append(replace(statement, body=_rolled(statement.body, inner)))
        elif isinstance(statement, While):
            done.append(replace(statement, body=_rolled(statement.body, axes)))
        elif isinstance(statement, Branch):
            then, other = _rolled(statement.then, axes), _rolled(statement.other, axes)
            done.append(replace(statement, then=then, other=other))
        else:
            done.append(statement)
    return (*done, *_loops(run, axes))


def _loops(run: list[Store], axes: tuple[Axis, ...]) -> list[Statement]:
    """A run of stores, with loops for its written-out steps."""
    done: list[Statement] = []
    with knowing(axes) as analyzer:
        while len(run) > 1:
            found = _first_loop(run, analyzer)
            if found is None:
                done.append(run.pop(0))
            else:
                loop, count = found
                done.append(loop)
                run = run[count:]
    return [*done, *run]


def _first_loop(run: list[Store], analyzer: Any) -> tuple[Loop, int] | None:
    """A loop for the first stores of a run, and how many they are."""
    for period in range(1, min(LONGEST_STEP, len(run) // 2) + 1):
        count = _repetitions(run, period)
        if count < 2:
            continue
        var = tirx.Var("j", "int32")
        for length in range(count, 1, -1):
            steps = [run[part : length * period : period] for part in range(period)]
            stores = _stores(steps, var, analyzer)
            if stores is not None:
                extent = tir.const(length, "int32")
                return Loop(var, extent, tuple(stores), False, run[0].span), length * period
            if length * period > LONGEST_STEP:
                break  # a run that long ends where its form does
    return None


def _repetitions(run: list[Store], period: int) -> int:
    """How often the buffers of the first `period` stores follow each other."""
    count = 1
    while (count + 1) * period <= len(run) and all(
        a.buffer.same_as(b.buffer)
        for a, b in zip(run[:period], run[count * period : (count + 1) * period], strict=True)
    ):
        count += 1
    return count


def _stores(steps: list[list[Store]], var: Var, analyzer: Any) -> list[Store] | None:
    """For each place in a step the store over `var`."""
    done = []
    moves = False
    for members in steps:
        index = _moving([store.index for store in members], var, analyzer)
        if index is None:
            return None
        moves = moves or tir.uses(index, [var])
        values = [store.value for store in members]
        value = values[0] if all(tir.same(values[0], v) for v in values) else None
        if value is None:
            value = family(values, var, analyzer)
        if value is None:
            return None
        done.append(replace(members[0], index=index, value=value))
    # Of two updates of one element any distance would be a step.
    return done if moves or len(steps[0]) > 2 else None


def _moving(indices: list[Expr], var: Var, analyzer: Any) -> Expr | None:
    """The index over `var` of which the indices are the values, in equal steps."""
    if any(tir.has_load(index) for index in indices):
        return None
    steps = {tir.as_const(analyzer.simplify(b - a)) for a, b in pairwise(indices)}
    step = steps.pop()
    if steps or step is None:
        return None
    return indices[0] + var * step if step else indices[0]
