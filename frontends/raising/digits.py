"""Thread ids as the digits that a kernel takes them apart into.

    for t < 128: … t // 32 … t % 32 …    ->    for w < 4: for l < 32: … w … l …

Warps and lanes, rows and columns of a tile, the bits that a butterfly flips: with loops of their
own, the indices made from them are linear again.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from ..program import Body, Branch, Loop, Program, Statement, Store, While, map_body
from .invert import linear
from .tensors import Axis, knowing, simplified


def split_digits(program: Program) -> Program:
    """The program with parallel loops split by the divisors of their quotients and remainders.

    The loops of one id, one in each phase between barriers, are split alike.
    """
    divisors: dict[_Id, set[int]] = {}
    _gather(program.body, divisors)
    ladders = {key: _ladder(found, key[1]) for key, found in divisors.items()}
    return replace(program, body=_split(program.body, (), ladders))


_Id = tuple[str, int]  # an id's name and extent


def _gather(body: Body, divisors: dict[_Id, set[int]]) -> None:
    for statement in body:
        if isinstance(statement, Loop) and statement.parallel:
            extent = tir.as_const(statement.extent)
            if extent is not None:
                found = _divisors(statement.body, statement.var)
                divisors.setdefault((str(statement.var.name), extent), set()).update(found)
        for inner in _bodies(statement):
            _gather(inner, divisors)


def _split(body: Body, around: tuple[Axis, ...], ladders: dict[_Id, list[int]]) -> Body:
    return tuple(_statement(statement, around, ladders) for statement in body)


def _statement(
    statement: Statement, around: tuple[Axis, ...], ladders: dict[_Id, list[int]]
) -> Statement:
    if isinstance(statement, Branch):
        then = _split(statement.then, around, ladders)
        return replace(statement, then=then, other=_split(statement.other, around, ladders))
    if isinstance(statement, While):
        return replace(statement, body=_split(statement.body, around, ladders))
    if not isinstance(statement, Loop):
        return statement
    extent = tir.as_const(statement.extent)
    if extent is None:
        return statement
    ladder = ladders.get((str(statement.var.name), extent), []) if statement.parallel else []
    if not ladder:
        inner = (*around, (statement.var, extent))
        return replace(statement, body=_split(statement.body, inner, ladders))
    # extent > d1 > d2 > …: digits of extents extent/d1, d1/d2, …, dn, largest first.
    bounds = [extent, *ladder, 1]
    digits: list[Axis] = []
    whole: Expr = tir.const(0, "int32")
    for high, low in pairwise(bounds):
        digit = tirx.Var(f"{statement.var.name}{len(digits)}", "int32")
        digits.append((digit, high // low))
        whole = whole + digit * low
    axes = (*around, *digits)
    body = _renamed(statement.body, {statement.var: whole}, axes)
    body = _split(body, axes, ladders)
    for var, size in reversed(digits):
        body = (Loop(var, tir.const(size, "int32"), body, True, statement.span),)
    return body[0]


def _renamed(body: Body, mapping: dict[Var, Expr], axes: tuple[Axis, ...]) -> Body:
    known = (*axes, *_inner_loops(body))
    with knowing(known) as analyzer:
        return map_body(body, lambda expr: simplified(analyzer, tir.substitute(expr, mapping)))


def _inner_loops(body: Body) -> list[Axis]:
    found: list[Axis] = []
    for statement in body:
        if isinstance(statement, Loop):
            extent = tir.as_const(statement.extent)
            if extent is not None:
                found.append((statement.var, extent))
        for inner in _bodies(statement):
            found += _inner_loops(inner)
    return found


def _bodies(statement: Statement) -> tuple[Body, ...]:
    if isinstance(statement, (Loop, While)):
        return (statement.body,)
    return (statement.then, statement.other) if isinstance(statement, Branch) else ()


def _ladder(divisors: set[int], extent: int) -> list[int]:
    """A chain of divisors of the extent, largest first, each dividing the one before."""
    ladder: list[int] = []
    for divisor in sorted(divisors, reverse=True):
        if 1 < divisor < extent and (ladder[-1] if ladder else extent) % divisor == 0:
            ladder.append(divisor)
    return ladder


def _divisors(body: Body, var: Var) -> set[int]:
    found: set[int] = set()

    def note(expr: Expr) -> Expr:
        for kind in (FloorDiv, FloorMod):
            tvm_ffi.structural_walk(expr, [(kind, visit)], order="pre")
        return expr

    def visit(node: Expr) -> None:
        divisor = tir.as_const(node.b)
        scale, inner = 1, node.a
        while isinstance(inner, FloorDiv) and tir.as_const(inner.b):
            scale *= tir.as_const(inner.b) or 1
            inner = inner.a
        parts = linear(inner, [var])
        if divisor is None or parts is None or not parts[0][0]:
            return
        step = divisor * scale
        for reach in (step, scale):
            if reach % abs(parts[0][0]) == 0:
                found.add(reach // abs(parts[0][0]))

    for statement in body:
        if isinstance(statement, Store):
            note(statement.index)
            note(statement.value)
        elif isinstance(statement, (Branch, While)):
            note(statement.test)
        for inner in _bodies(statement):
            found |= _divisors(inner, var)
    return found
