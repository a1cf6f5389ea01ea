"""What guards and loops of one iteration leave no choice is put in place.

for t < 1: x[t + i]                          ->    x[i]
if core < 1: x[core*256 + r*(4 - core)//4]   ->    if core < 1: x[r]
if by == 0: A else: B(by), by < 2            ->    if by == 0: A else: B(1)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from ..program import Body, Branch, Loop, Program, Statement, Store, While, map_body
from .minmax import parts_of
from .tensors import Axis, is_choice, knowing, negated, simplified


def put_guards(program: Program) -> Program:
    """The program without loops of one iteration; below a guard with what the guard says."""
    return replace(program, body=_body(program.body, (), ()))


def _body(body: Body, axes: tuple[Axis, ...], tests: tuple[Expr, ...]) -> Body:
    done: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop):
            extent = tir.as_const(statement.extent)
            if extent == 1:
                zero = {statement.var: tir.const(0, tir.dtype_of(statement.var))}
                done += _body(_with(statement.body, zero, axes, tests), axes, tests)
                continue
            inner = axes if extent is None else (*axes, (statement.var, extent))
            done.append(replace(statement, body=_body(statement.body, inner, tests)))
        elif isinstance(statement, While):
            done.append(replace(statement, body=_body(statement.body, axes, tests)))
        elif isinstance(statement, Branch):
            known = tir.as_const(statement.test)
            if known is not None:
                done += _body(statement.then if known else statement.other, axes, tests)
            else:
                done.append(_branch(statement, axes, tests))
        elif isinstance(statement, Store):
            guarded = _guarded(statement)
            if isinstance(guarded, Branch):
                done += _body((guarded,), axes, tests)
            else:
                done.append(statement)
        else:
            done.append(statement)
    return tuple(done)


def _guarded(store: Store) -> Store | Branch:
    """`a = test ? value : a` as a guarded store."""
    if not is_choice(store.value) or tir.has_load(store.value.args[0]):
        return store
    test, then, other = store.value.args
    own = store.buffer[store.index]
    for value, rest, holds in ((then, other, test), (other, then, negated(test))):
        if tir.same(rest, own):
            return Branch(holds, (replace(store, value=value),), (), store.span)
    return store


def _branch(branch: Branch, axes: tuple[Axis, ...], tests: tuple[Expr, ...]) -> Branch:
    with knowing(axes, tests) as analyzer:
        branch = replace(branch, test=tir.conjunction(parts_of(branch.test, analyzer)))
    sides = []
    for body, parts in (
        (branch.then, tir.conjuncts(branch.test)),
        (branch.other, [negated(branch.test)]),
    ):
        plain = (*tests, *(part for part in parts if not tir.has_load(part)))
        found = _fixed(axes, plain) if body else {}
        sides.append(_body(_with(body, found, axes, plain) if found else body, axes, plain))
    return replace(branch, then=sides[0], other=sides[1])


def _fixed(axes: Iterable[Axis], tests: tuple[Expr, ...]) -> dict[Var, Expr]:
    """The loop variables of which the tests leave one value."""
    found: dict[Var, Expr] = {}
    with knowing(axes, tests) as analyzer:
        for var, _ in axes:
            low, high = tir.bounds(analyzer, var)
            if low == high:
                found[var] = tir.const(low, tir.dtype_of(var))
    return found


def _with(
    body: Body, values: dict[Var, Expr], axes: tuple[Axis, ...], tests: tuple[Expr, ...]
) -> Body:
    with knowing(axes, tests) as analyzer:

        def change(expr: Expr) -> Expr:
            if not tir.uses(expr, values):
                return expr
            return simplified(analyzer, tir.substitute(expr, values))

        return map_body(body, change)
