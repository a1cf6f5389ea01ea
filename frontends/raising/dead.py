"""Stores to local arrays that no result depends on are dropped, with the arrays.

if (x[i] > best) place = i;  best = max(best, x[i]);  y = best;     ->     without `place`
"""

from __future__ import annotations

from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from ..program import Alloc, Body, Branch, Loop, Program, Statement, Store, While, statements


def without_dead_stores(program: Program) -> Program:
    """The program without them. Tests and extents are kept, and what they read."""
    local = {one.buffer for one in statements(program.body) if isinstance(one, Alloc)}
    stores = [one for one in statements(program.body) if isinstance(one, Store)]
    needed: set[Buffer] = set()
    pending = [one for one in stores if one.buffer not in local]
    exprs = [expr for one in statements(program.body) for expr in _control(one)]
    while pending or exprs:
        exprs += [expr for one in pending for expr in (one.index, one.value)]
        fresh = {load.source for expr in exprs for load in tir.loads(expr)} - needed
        needed |= fresh
        pending, exprs = [one for one in stores if one.buffer in fresh & local], []
    dead = local - needed
    return replace(program, body=_without(program.body, dead)) if dead else program


def _control(statement: Statement) -> tuple[Expr, ...]:
    if isinstance(statement, Loop):
        return (statement.extent,)
    return (statement.test,) if isinstance(statement, (Branch, While)) else ()


def _without(body: Body, dead: set[Buffer]) -> Body:
    return tuple(kept for one in body for kept in _kept(one, dead))


def _kept(statement: Statement, dead: set[Buffer]) -> Body:
    if isinstance(statement, (Store, Alloc)):
        return () if statement.buffer in dead else (statement,)
    if isinstance(statement, Loop):
        inner = _without(statement.body, dead)
        return (replace(statement, body=inner),) if inner else ()
    if isinstance(statement, While):
        return (replace(statement, body=_without(statement.body, dead)),)
    if isinstance(statement, Branch):
        then, other = _without(statement.then, dead), _without(statement.other, dead)
        return (replace(statement, then=then, other=other),) if then or other else ()
    return (statement,)
